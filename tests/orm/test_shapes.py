"""Everything that SQLAlchemy can map, saved in every way: what the row holds, the instance shows, the signal says."""

from __future__ import annotations

import enum
import uuid
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
import pytest_asyncio
from sqlalchemy import (
    ARRAY,
    JSON,
    Column,
    Computed,
    DateTime,
    Enum,
    ForeignKey,
    Identity,
    Integer,
    LargeBinary,
    Numeric,
    Sequence,
    String,
    Table,
    TypeDecorator,
    Uuid,
    func,
    inspect,
    text,
)
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    DeclarativeBase,
    DeclarativeBaseNoMeta,
    Mapped,
    MappedAsDataclass,
    column_property,
    declarative_base,
    mapped_column,
    registry,
    relationship,
    synonym,
    validates,
)

import aldis

pytestmark = pytest.mark.asyncio


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


class Words(TypeDecorator):
    """A list of words, stored as a text."""

    impl = String(200)
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return None if value is None else " ".join(value)

    def process_result_value(self, value, dialect):
        return None if value is None else value.split()


@pytest.fixture
def dialect(models):
    return models.database.engine.dialect.name


@pytest_asyncio.fixture
async def make(models):
    """Return what creates the tables of new models."""

    async def create_all() -> None:
        async with models.database.engine.begin() as connection:
            await connection.run_sync(models.Base.metadata.create_all)

    return create_all


async def ways_to_insert(model, **values):
    """Insert the same row in each way; return the instances."""
    by_save = await model(**values).save()
    by_create = await model.query.create(**values)
    (by_bulk,) = await model.query.bulk_create([values])
    async with model.meta.database.transaction():  # the second of these is on the way without SQLAlchemy's machinery
        first = await model.query.create(**values)
        second = await model.query.create(**values)
        many = await model.query.bulk_create([values, model(**values)])
    return [by_save, by_create, by_bulk, first, second, *many]


def shown(instance):
    """The loaded columns of an instance, by attribute name."""
    return {
        name: instance.__dict__[name]
        for name in inspect(type(instance)).column_attrs.keys()
        if name in instance.__dict__
    }


async def agree(model, instances) -> None:
    """Compare each instance, field by field, with its row as it is read back."""
    for instance in instances:
        row = await model.query.get(
            *[
                column == value
                for column, value in zip(inspect(model).primary_key, inspect(instance).identity, strict=True)
            ]
        )
        assert shown(instance) == shown(row)
        assert not inspect(instance).modified
        assert inspect(instance).detached


async def test_types_keep_their_values(models, make, dialect) -> None:
    class Thing(models.Base):
        __tablename__ = "thing"
        id: Mapped[int] = mapped_column(primary_key=True)
        colour: Mapped[Colour] = mapped_column(Enum(Colour))
        data: Mapped[dict | None] = mapped_column(JSON)
        code: Mapped[uuid.UUID] = mapped_column(Uuid)
        price: Mapped[Decimal] = mapped_column(Numeric(12, 4))
        at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
        words: Mapped[list[str] | None] = mapped_column(Words)
        raw: Mapped[bytes] = mapped_column(LargeBinary)
        share: Mapped[float]
        is_open: Mapped[bool]

    await make()
    at = datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone(timedelta(hours=2)))
    values = {
        "colour": Colour.BLUE,
        "data": {"a": [1, None, "ü"]},
        "code": uuid.UUID(int=2**100),
        "price": Decimal("12345.6789"),
        "at": at,
        "words": ["to", "be"],
        "raw": b"\x00\xff",
        "share": 0.1,
        "is_open": True,
    }
    instances = await ways_to_insert(Thing, **values)
    for instance in instances:
        assert {name: getattr(instance, name) for name in values} == values
        row = await Thing.query.get(id=instance.id)
        expected = dict(values)
        if dialect != "postgresql":  # neither SQLite nor MariaDB keeps a time zone
            expected["at"] = at.replace(tzinfo=None)
        assert {name: getattr(row, name) for name in values} == expected
    thing = instances[0]
    await thing.update(colour=Colour.RED, data=None, words=None, price=Decimal("1.5"))
    row = await Thing.query.get(id=thing.id)
    assert (row.colour, row.data, row.words, row.price) == (Colour.RED, None, None, Decimal("1.5000"))
    thing.code = uuid.UUID(int=5)
    await Thing.query.bulk_update([thing])
    assert (await Thing.query.get(code=uuid.UUID(int=5))).id == thing.id


async def test_arrays(models, make, dialect) -> None:
    if dialect != "postgresql":
        pytest.skip("PostgreSQL alone has arrays")

    class Numbers(models.Base):
        __tablename__ = "numbers"
        id: Mapped[int] = mapped_column(primary_key=True)
        them: Mapped[list[int]] = mapped_column(ARRAY(Integer))

    await make()
    instances = await ways_to_insert(Numbers, them=[3, 1, 2])
    await agree(Numbers, instances)
    await instances[0].update(them=[])
    assert (await Numbers.query.get(id=instances[0].id)).them == []


async def test_composite_natural_keys(models) -> None:
    Tag = models.Tag
    tag = await Tag(space="a", word="b").save()
    created = await Tag.query.create(space="a", word="c", used=3)
    many = await Tag.query.bulk_create([{"space": "b", "word": word} for word in "xyz"])
    assert [inspect(each).identity for each in (tag, created, *many)] == [
        ("a", "b"),
        ("a", "c"),
        ("b", "x"),
        ("b", "y"),
        ("b", "z"),
    ]
    await agree(Tag, [tag, created, *many])
    await tag.update(word="d")
    async with models.database.transaction():
        await created.update(used=4)
        await created.update(space="z")
        many[0].word = "w"
        await many[0].save()
        assert await many[1].delete() == 1
    assert [(row["space"], row["word"], row["used"]) for row in await models.stored(Tag)] == [
        ("a", "d", 99),
        ("b", "w", 99),
        ("b", "z", 0),
        ("z", "c", 99),
    ]
    await agree(Tag, [tag, created, many[0], many[2]])


async def test_defaults_of_every_sort(models, make, dialect) -> None:
    numbers = iter(range(100, 1000))

    class Item(models.Base):
        __tablename__ = "item"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        scalar: Mapped[int] = mapped_column(default=5)
        called: Mapped[int] = mapped_column(default=lambda: next(numbers))
        of_context: Mapped[str] = mapped_column(
            default=lambda context: context.get_current_parameters()["name"].upper()
        )
        expression: Mapped[int] = mapped_column(default=func.abs(-7))
        servers: Mapped[str] = mapped_column(String(20), server_default="server")
        changed: Mapped[int] = mapped_column(default=0, onupdate=lambda: next(numbers))
        touched: Mapped[int] = mapped_column(default=0, onupdate=func.abs(-9))

    await make()
    told = []

    async def after(sender, column_values):
        told.append(dict(column_values))

    Item.meta.signals.post_save.connect(after)
    Item.meta.signals.post_update.connect(after)
    instances = await ways_to_insert(Item, name="a")
    await agree(Item, instances)
    for instance, column_values in zip(instances, told, strict=True):
        assert (instance.scalar, instance.of_context, instance.expression, instance.servers) == (5, "A", 7, "server")
        assert column_values == shown(instance)
    assert len({instance.called for instance in instances}) == len(instances)

    told.clear()
    one, two, three, four, *_ = instances
    await one.update(name="b")
    two.name = "c"
    await two.save()
    three.name = "d"
    await Item.query.bulk_update([three])
    async with models.database.transaction():
        await four.update(name="x")
        await four.update(name="e")
    await agree(Item, instances)
    for instance, column_values in zip((one, two, three, four, four), told, strict=True):
        assert instance.touched == 9
        assert column_values.keys() == {"name", "changed", "touched"}
        assert column_values["changed"] >= 100
    assert await Item.query.filter(name="e").update(scalar=6) == 1
    row = await Item.query.get(name="e")
    assert (row.scalar, row.touched, row.changed > four.changed) == (6, 9, True)


async def test_sequence_identity_and_computed(models, make, dialect) -> None:
    class Invoice(models.Base):
        __tablename__ = "invoice"
        id: Mapped[int] = mapped_column(Identity(start=10), primary_key=True)
        net: Mapped[int]
        gross: Mapped[int] = mapped_column(Computed("net * 2", persisted=True))

    if dialect != "sqlite":

        class Ticket(models.Base):
            __tablename__ = "ticket"
            id: Mapped[int] = mapped_column(Sequence("ticket_seq", start=7), primary_key=True)
            name: Mapped[str]

    await make()
    invoices = await ways_to_insert(Invoice, net=4)
    assert {invoice.gross for invoice in invoices} == {8}
    await agree(Invoice, invoices)
    invoice = invoices[0]
    await invoice.update(net=5)
    assert invoice.gross == 10
    async with models.database.transaction():
        await invoices[1].update(net=6)
        await invoices[1].update(net=7)
    invoices[2].net = 8
    await Invoice.query.bulk_update([invoices[2]])
    assert [each.gross for each in invoices[:3]] == [10, 14, 16]
    await agree(Invoice, invoices)
    if dialect != "sqlite":
        tickets = await ways_to_insert(Ticket, name="a")
        assert tickets[0].id == 7
        assert len({ticket.id for ticket in tickets}) == len(tickets)
        await agree(Ticket, tickets)


async def test_key_made_by_the_client(models, make) -> None:
    class Token(models.Base):
        __tablename__ = "token"
        id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
        name: Mapped[str]

    await make()
    tokens = await ways_to_insert(Token, name="a")
    assert len({token.id for token in tokens}) == len(tokens)
    await agree(Token, tokens)
    for token in tokens[:2]:
        await token.update(name="b")
        assert await token.delete() == 1
    assert await Token.query.count() == len(tokens) - 2


async def test_sql_expression_as_a_value(models) -> None:
    user = models.User(name=func.upper("ada"), mail="x")
    await user.save()
    assert user.name == "ADA"
    user.name = func.lower(models.User.name)
    await user.save()
    assert user.name == "ada"
    await user.update(mail=models.User.mail + "!")
    assert user.mail == "x!"
    (bulk,) = await models.User.query.bulk_create([{"name": func.upper("bob"), "mail": "y"}])
    assert bulk.name == "BOB"
    await agree(models.User, [user, bulk])


async def test_schema_qualified_table(models, make, dialect) -> None:
    schema = {"sqlite": "attached", "postgresql": "other"}.get(dialect, f"{models.database.engine.url.database}_other")

    class Place(models.Base):
        __tablename__ = "place"
        __table_args__ = {"schema": schema}  # noqa: RUF012
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

    async with models.database.transaction() as connection:
        if dialect == "sqlite":
            await connection.execute(text("COMMIT"))
            await connection.execute(text("ATTACH ':memory:' AS attached"))
            await connection.execute(text("BEGIN"))
        else:
            await connection.execute(text(f"CREATE SCHEMA {schema}"))
        await connection.run_sync(Place.__table__.create)
        place = await Place.query.create(name="here")
        many = await Place.query.bulk_create([{"name": "there"}, {"name": "nowhere"}])
        await place.update(name="Here")
        assert await many[0].delete() == 1
        await agree(Place, [place, many[1]])
        if dialect == "sqlite":
            await connection.execute(text("COMMIT"))
            await connection.execute(text("DETACH attached"))
            await connection.execute(text("BEGIN"))
        else:
            await connection.execute(text(f"DROP SCHEMA {schema} {'CASCADE' if dialect == 'postgresql' else ''}"))
    models.Base.metadata.remove(Place.__table__)


async def test_deferred_columns(models, make) -> None:
    class Essay(models.Base):
        __tablename__ = "essay"
        id: Mapped[int] = mapped_column(primary_key=True)
        title: Mapped[str]
        body: Mapped[str] = mapped_column(deferred=True)

    await make()
    essay = await Essay.query.create(title="t", body="long")
    assert essay.body == "long"
    found = await Essay.query.get(title="t")
    assert "body" not in inspect(found).dict
    await found.update(title="u")
    found.title = "v"
    await found.save()
    assert "body" not in inspect(found).dict
    assert (await found.load()).body == "long"
    row = await Essay.query.values("title", "body")
    assert row == [{"title": "v", "body": "long"}]


async def test_column_property_hybrid_validator_and_synonym(models, make) -> None:
    class Person(models.Base):
        __tablename__ = "person"
        id: Mapped[int] = mapped_column(primary_key=True)
        first: Mapped[str] = mapped_column()
        last: Mapped[str] = mapped_column()
        whole = column_property(first + " " + last)
        surname = synonym("last")

        @hybrid_property
        def initials(self):
            return self.first[0] + self.last[0]

        @initials.inplace.setter
        def _set_initials(self, value):
            self.first, self.last = value

        @validates("first")
        def no_digits(self, key, value):
            if any(character.isdigit() for character in value):
                raise ValueError(f"{value!r} has a digit")
            return value.strip()

    await make()
    person = await Person.query.create(first=" Ada ", surname="Lovelace")
    assert (person.first, person.last, person.initials) == ("Ada", "Lovelace", "AL")
    (bulk,) = await Person.query.bulk_create([{"first": "Bob", "last": "Ross"}])
    assert bulk.surname == "Ross"
    found = await Person.query.get(surname="Lovelace")
    assert found.whole == "Ada Lovelace"
    await found.update(initials="XY")
    assert (await Person.query.get(first="X")).last == "Y"
    await found.save(values={"surname": "Z"})
    assert (await Person.query.get(first="X")).last == "Z"
    before = await Person.query.order_by("id").values("first")
    with pytest.raises(ValueError, match="has a digit"):
        await found.update(first="4")
    with pytest.raises(ValueError, match="has a digit"):
        await Person.query.bulk_create([{"first": "Eve", "last": "x"}, {"first": "4", "last": "x"}])
    assert (found.first, await Person.query.order_by("id").values("first")) == ("X", before)


async def test_many_to_many_and_self_reference(models, make) -> None:
    class Node(models.Base):
        __tablename__ = "node"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        parent_id: Mapped[int | None] = mapped_column(ForeignKey("node.id"))
        children = relationship("Node", back_populates="parent", cascade="all, delete-orphan")
        parent = relationship("Node", back_populates="children", remote_side="Node.id")
        friends = relationship(
            "Node",
            secondary="node_friend",
            primaryjoin="Node.id == node_friend.c.one",
            secondaryjoin="Node.id == node_friend.c.two",
        )

    friend = Table(
        "node_friend",
        models.Base.metadata,
        Column("one", ForeignKey("node.id"), primary_key=True),
        Column("two", ForeignKey("node.id"), primary_key=True),
    )
    await make()
    root = await Node(name="root", children=[Node(name="a"), Node(name="b")]).save()
    a, b = root.children
    assert (a.parent_id, b.parent_id) == (root.id, root.id)
    c = await Node.query.create(name="c", parent=root, friends=[a])
    async with models.database.engine.connect() as connection:
        assert [tuple(row) for row in await connection.execute(friend.select())] == [(c.id, a.id)]
    await c.update(friends=[b])
    async with models.database.engine.connect() as connection:
        assert [tuple(row) for row in await connection.execute(friend.select())] == [(c.id, b.id)]
    assert await c.delete() == 1
    assert await root.delete() == 1
    assert await Node.query.count() == 0


def bases():
    class Declarative(aldis.Model, DeclarativeBase):
        pass

    class NoMeta(aldis.Model, DeclarativeBaseNoMeta):
        pass

    class Dataclass(aldis.Model, MappedAsDataclass, DeclarativeBase):
        pass

    return {"DeclarativeBase": Declarative, "DeclarativeBaseNoMeta": NoMeta, "MappedAsDataclass": Dataclass}


async def saved_in_every_way(model, database, create) -> None:
    """Save, find, change and delete a class of columns id and name."""
    async with database.engine.begin() as connection:
        await connection.run_sync(create)
    heard = []

    async def hear(sender, instance, model_instance, **kwargs):
        heard.append((sender, model_instance.name))

    model.meta.signals.post_save.connect(hear, model)
    try:
        one = model(name="one")
        await one.save()
        two = await model.query.create(name="two")
        async with database.transaction():
            three, four = await model.query.bulk_create([{"name": "three"}, model(name="four")])
            await two.update(name="Two")
            one.name = "One"
            await one.save()
        assert [each.name for each in await model.query.order_by("id").all()] == ["One", "Two", "three", "four"]
        assert await three.delete() == 1
        assert (await model.query.get(name="four")).id == four.id
        assert heard == [(model, name) for name in ("one", "two", "three", "four", "One")]
        with pytest.raises(ValueError, match="no"):
            async with database.transaction():
                await four.update(name="x")
                raise ValueError("no")
        assert (four.name, inspect(four).detached) == ("four", True)
    finally:
        model.meta.signals.post_save.disconnect(hear, model)


@pytest.mark.parametrize("kind", ["DeclarativeBase", "DeclarativeBaseNoMeta", "MappedAsDataclass"])
async def test_declarative_bases(url, kind) -> None:
    Base = bases()[kind]
    Base.database = aldis.Database(url)

    if kind == "MappedAsDataclass":

        class Plain(Base):
            __tablename__ = "plain"
            id: Mapped[int] = mapped_column(init=False, primary_key=True)
            name: Mapped[str] = mapped_column(String(50))

    else:

        class Plain(Base):
            __tablename__ = "plain"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str] = mapped_column(String(50))

    try:
        await saved_in_every_way(Plain, Base.database, Base.metadata.create_all)
    finally:
        async with Base.database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.drop_all)
        await Base.database.dispose()


@pytest.mark.parametrize("kind", ["mapped", "imperative", "declarative_base"])
async def test_classes_that_a_registry_maps(url, kind) -> None:
    database = aldis.Database(url)
    mapping = registry()
    if kind == "mapped":

        @mapping.mapped
        class Plain(aldis.Model):
            __tablename__ = "plain"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str] = mapped_column(String(50))

    elif kind == "imperative":

        class Plain(aldis.Model):
            def __init__(self, name):
                self.name = name

        table = Table("plain", mapping.metadata, Column("id", Integer, primary_key=True), Column("name", String(50)))
        mapping.map_imperatively(Plain, table)
    else:
        Base = declarative_base(cls=aldis.Model, metadata=mapping.metadata)

        class Plain(Base):
            __tablename__ = "plain"
            id = mapped_column(Integer, primary_key=True)
            name = mapped_column(String(50))

    Plain.database = database
    try:
        await saved_in_every_way(Plain, database, mapping.metadata.create_all)
    finally:
        async with database.engine.begin() as connection:
            await connection.run_sync(mapping.metadata.drop_all)
        await database.dispose()


async def test_sqlmodel(url) -> None:
    sqlmodel = pytest.importorskip("sqlmodel", reason="its release asks for SQLAlchemy 2.0")

    class Base(aldis.Model, sqlmodel.SQLModel, registry=registry()):
        """Its own registry: that of SQLModel keeps the names of the classes of other tests."""

    class Hero(Base, table=True):
        id: int | None = sqlmodel.Field(default=None, primary_key=True)
        name: str = sqlmodel.Field(max_length=50)

    Hero.database = aldis.Database(url)
    try:
        await saved_in_every_way(Hero, Hero.database, Hero.__table__.create)
    finally:
        async with Hero.database.engine.begin() as connection:
            await connection.run_sync(Hero.__table__.drop)
        await Hero.database.dispose()
        sqlmodel.SQLModel.metadata.remove(Hero.__table__)
