"""``bulk_update_or_create`` in one statement: where it serves, where it does not, and that both roads end alike."""

from __future__ import annotations

import asyncio
import logging
import random

import pytest
from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, event, inspect, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship, synonym, validates

import aldis


@pytest.fixture
def reasons(models, caplog):
    """Return a function that tells why there was no upsert since last asked; an empty text where there was one."""
    caplog.set_level(logging.DEBUG, "aldis.writers")

    def tell() -> list[str]:
        found = [record.getMessage() for record in caplog.records if record.name == "aldis.writers"]
        caplog.clear()
        upserts = [each for each in found if "no upsert: " in each or each.endswith("saving.upsert")]
        return [each.partition("no upsert: ")[2] for each in upserts]

    return tell


async def create(models, *classes) -> None:
    async with models.database.engine.begin() as connection:
        for each in classes:
            await connection.run_sync(each.__table__.create)


def rows_of(*pairs) -> list[dict]:
    return [{"name": name, "mail": mail} for name, mail in pairs]


async def test_one_statement_where_nobody_is_told(models) -> None:
    await models.User.query.create(name="Ada", mail="old", is_verified=True)
    seen = []
    event.listen(
        models.database.engine.sync_engine,
        "before_cursor_execute",
        lambda _c, _k, sql, *_rest: seen.append(sql),
    )
    users = await models.User.query.bulk_update_or_create(
        rows_of(("Bob", "b"), ("Ada", "new"), ("Eve", "e")), unique_fields=["name"]
    )
    writing = [sql.split()[0] for sql in seen if "mail" in sql]
    assert writing == ["INSERT"]
    assert [(user.name, user.mail, user.is_verified) for user in users] == [
        ("Bob", "b", False),
        ("Ada", "new", True),
        ("Eve", "e", False),
    ]
    stored = {row["name"]: row for row in await models.stored()}
    assert len(stored) == 3
    for user in users:
        assert (inspect(user).detached, inspect(user).modified) == (True, False)
        assert stored[user.name] == {key.key: user.__dict__[name] for name, key in inspect(models.User).columns.items()}


@pytest.mark.parametrize("name", ["pre_save", "post_save", "pre_update", "post_update", "post_bulk"])
async def test_whoever_is_told_of_single_rows_is_told_the_truth(models, reasons, name) -> None:
    told = []

    async def receiver(sender, **kwargs) -> None:
        told.append(kwargs)

    models.User.meta.signals[name].connect(receiver, models.User)
    await models.User.query.create(name="Ada")
    told.clear()
    await models.User.query.bulk_update_or_create(rows_of(("Ada", "a"), ("Bob", "b")), unique_fields=["name"])
    assert reasons() == []
    if name == "post_bulk":
        assert [(each["row_count_create"], each["row_count_update"]) for each in told] == [(1, 1)]
    else:
        assert [each["model_instance"].name for each in told] == ["Ada" if name.endswith("update") else "Bob"]


async def test_pre_bulk_alone_costs_no_look(models, reasons) -> None:
    told = []

    async def receiver(sender, operation, **kwargs) -> None:
        told.append(operation)

    models.User.meta.signals.pre_bulk.connect(receiver, models.User)
    await models.User.query.bulk_update_or_create(rows_of(("Ada", "a")), unique_fields=["name"])
    assert told == ["bulk_update_or_create"]
    assert reasons() == [""]


def dialect(models) -> str:
    return models.database.engine.dialect.name


@pytest.mark.parametrize("seed", range(6))
async def test_both_roads_end_alike(models, seed) -> None:
    """The road that looks first is taken where somebody listens."""
    chance = random.Random(seed)

    class Thing(models.Base):
        __tablename__ = "thing"
        id: Mapped[int] = mapped_column(primary_key=True)
        space: Mapped[str]
        word: Mapped[str] = mapped_column("w")
        count: Mapped[int | None]
        note: Mapped[str | None] = mapped_column(default="none")
        rank: Mapped[int] = mapped_column(server_default=text("7"))
        __table_args__ = (UniqueConstraint("space", "w"),)

    await create(models, Thing)

    async def nobody(sender, **kwargs) -> None: ...

    ends = []
    for is_heard in (True, False):
        if is_heard:
            Thing.meta.signals.post_bulk.connect(nobody, Thing)
        else:
            Thing.meta.signals.post_bulk.disconnect(nobody, Thing)
        chance.seed(seed)
        there = [("ab"[number % 2], f"w{number}") for number in range(30)]
        await Thing.query.bulk_create(
            [{"space": space, "word": word, "count": 1} for space, word in chance.sample(there, 15)]
        )
        rows = [
            {"space": space, "word": word, "count": chance.randrange(9)} for space, word in chance.sample(there, 20)
        ]
        extra = chance.choice([(), ("note",), ("rank",), ("note", "rank")])
        for row in rows:
            row.update({name: chance.choice([3, 4]) if name == "rank" else chance.choice("xy") for name in extra})
        things = await Thing.query.bulk_update_or_create(
            rows,
            chance.choice([None, ["count"], ["count", "note"]]),
            unique_fields=["space", "word"],
            create_params=chance.choice([None, {"note": "new"}]),
            batch_size=chance.choice([7, 100]),
        )
        stored = await models.stored(Thing)
        for row in stored:
            del row["id"]  # rows in the way use up keys on PostgreSQL
        values = [(each.space, each.word, each.count, each.__dict__.get("note"), each.rank) for each in things]
        ends.append((sorted(map(repr, stored)), values))
        await Thing.query.delete()
    assert ends[0] == ends[1]


async def test_what_looks_first(models, reasons) -> None:
    class Shelf(models.Base):
        __tablename__ = "shelf"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(unique=True)
        label: Mapped[str | None]
        place: Mapped[str | None]
        size: Mapped[int]
        __table_args__ = (
            Index("few", "place", unique=True, sqlite_where=text("size > 1"), postgresql_where=text("size > 1")),
        )

    class Stamped(models.Base):
        __tablename__ = "stamped"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(unique=True)
        count: Mapped[int] = mapped_column(default=1)
        at: Mapped[str | None] = mapped_column(onupdate=lambda: "now")

    await create(models, Shelf, Stamped)
    whole = {"name": "a", "label": "A", "size": 1}
    await Shelf.query.bulk_create([whole])
    by_name = {"unique_fields": ["name"]}
    cases = [
        (Shelf, [{"name": "a", "label": "A"}], by_name, "a new row would need size"),
        (Shelf, [{**whole, "place": "p"}], {"unique_fields": ["label"]}, "no unique constraint is on label alone"),
        (Shelf, [{**whole, "place": "p"}], {"unique_fields": ["place"]}, "no unique constraint is on place alone"),
        (Shelf, [{"id": 1, **whole}], by_name, "a primary key is updated, or nothing"),
        (Stamped, [{"name": "a", "count": 2}], by_name, "an UPDATE fills in columns"),
        (Stamped, [{"name": "a"}], by_name, "a primary key is updated, or nothing"),
    ]
    reasons()
    for model, rows, options, reason in cases:
        (found,) = await model.query.bulk_update_or_create(rows, **options)
        assert {name: getattr(found, name) for name in rows[0]} == rows[0]
        assert reasons() == [reason]
    for query, rows, options in [
        (Shelf.query.filter(Shelf.size > 0), [whole], by_name),
        (Shelf.query, [whole], {**by_name, "update_params": {"place": "q"}}),
        (Shelf.query, [Shelf(**whole)], by_name),
        (Shelf.query, [whole, {**whole, "name": "b", "place": "r"}], by_name),
    ]:
        await query.bulk_update_or_create(rows, **options)
        assert reasons() == []  # not even tried
    assert [(row["name"], row["place"]) for row in await models.stored(Shelf)] == [("a", "q"), ("b", "r")]


async def test_constraint_that_only_a_new_row_would_break(models, reasons) -> None:
    class Either(models.Base):
        __tablename__ = "either"
        id: Mapped[int] = mapped_column(primary_key=True)
        left: Mapped[str | None]
        right: Mapped[str | None]
        __table_args__ = (CheckConstraint('"left" IS NOT NULL OR "right" IS NOT NULL'),)

    if dialect(models) in {"mysql", "mariadb"}:
        pytest.skip("quotes names otherwise")
    await create(models, Either)
    await Either.query.bulk_create([{"id": 1, "right": "r"}, {"id": 2, "right": "r"}])
    reasons()
    async with models.database.transaction():
        found = await Either.query.bulk_update_or_create([{"id": 1, "left": None}, {"id": 2, "left": "l"}])
    assert reasons() == ["a constraint is against it"]
    assert [(each.left, each.right) for each in found] == [(None, "r"), ("l", "r")]
    with pytest.raises(IntegrityError, match="(?i)check"):
        await Either.query.bulk_update_or_create([{"id": 1, "left": "x"}, {"id": 3, "left": None}])
    assert [row["left"] for row in await models.stored(Either)] == [None, "l"]


async def test_validators_run_and_another_unique_value_is_in_the_way(models, reasons) -> None:
    class Account(models.Base):
        __tablename__ = "account"
        id: Mapped[int] = mapped_column(primary_key=True)
        mail: Mapped[str] = mapped_column(unique=True)
        nick: Mapped[str] = mapped_column(unique=True)

        @validates("nick")
        def lower(self, _name, value):
            checked.append((value, self.id is not None))
            return value.lower()

    checked = []
    await create(models, Account)
    query = Account.query
    await query.bulk_create([{"mail": "a", "nick": "x"}, {"mail": "b", "nick": "y"}])
    checked.clear()
    await query.bulk_update_or_create([{"mail": "a", "nick": "X"}, {"mail": "c", "nick": "Z"}], unique_fields=["mail"])
    assert [row["nick"] for row in await models.stored(Account)] == ["x", "y", "z"]
    assert reasons() == []
    assert sorted(checked) == [("X", True), ("Z", False)]  # once a row, and of a stored one with its own instance
    with pytest.raises(IntegrityError, match="(?i)unique|duplicate"):
        await query.bulk_update_or_create([{"mail": "a", "nick": "y"}], unique_fields=["mail"])
    assert [row["nick"] for row in await models.stored(Account)] == ["x", "y", "z"]


async def test_unique_index_that_the_model_does_not_know(models, reasons) -> None:
    async with models.database.engine.begin() as connection:
        quoted = connection.dialect.identifier_preparer.format_table(models.User.__table__)
        await connection.exec_driver_sql(f"CREATE UNIQUE INDEX hidden ON {quoted} (email_address)")
    await models.User.query.create(name="Ada", mail="x", is_verified=True)
    with pytest.raises(IntegrityError, match="(?i)unique|duplicate"):
        await models.User.query.bulk_update_or_create(
            [{"name": "Bob", "mail": "x", "is_verified": False}], unique_fields=["name"]
        )
    assert reasons() == ["a constraint is against it"]
    assert [(row["name"], row["is_verified"]) for row in await models.stored()] == [("Ada", True)]


async def test_undone_with_the_transaction(models) -> None:
    await models.User.query.create(name="Ada", mail="old")
    users = []
    with pytest.raises(ZeroDivisionError):
        async with models.database.transaction():
            users += await models.User.query.bulk_update_or_create(
                rows_of(("Ada", "new"), ("Bob", "b")), unique_fields=["name"]
            )
            raise ZeroDivisionError
    assert [row["email_address"] for row in await models.stored()] == ["old"]
    assert [inspect(user).transient for user in users] == [True, True]


@pytest.mark.parametrize("is_watched", [False, True])
async def test_update_of_many_is_all_or_nothing(models, is_watched) -> None:
    class Seat(models.Base):
        __tablename__ = "seat"
        __table_args__ = (UniqueConstraint("number"),)
        id: Mapped[int] = mapped_column(primary_key=True)
        number: Mapped[int]

    await create(models, Seat)
    if is_watched:  # it takes SQLAlchemy's own road
        event.listen(models.database.engine.sync_engine, "before_cursor_execute", lambda *_: None)
    seats = await Seat.query.bulk_create([{"number": number} for number in range(3)])
    seats[0].number, seats[2].number = 7, 1
    with pytest.raises(IntegrityError, match="(?i)unique|duplicate"):
        await Seat.query.bulk_update(seats, update_fields=["number"])
    assert [inspect(seat).modified for seat in seats] == [True, False, True]
    assert [row["number"] for row in await models.stored(Seat)] == [0, 1, 2]
    seats[2].number = 8
    assert (
        await Seat.query.bulk_update(seats, update_fields=["number"]) == 2
    )  # the one that has not changed is not written
    assert [inspect(seat).modified for seat in seats] == [False] * 3
    assert [row["number"] for row in await models.stored(Seat)] == [7, 1, 8]
    await Seat.query.filter(id=seats[1].id).delete()
    seats[0].number = seats[1].number = 9
    with pytest.raises(aldis.ObjectNotFound, match="its row is gone"):
        await Seat.query.bulk_update(seats[:2], update_fields=["number"])
    assert [inspect(seat).modified for seat in seats] == [True, True, False]
    assert [row["number"] for row in await models.stored(Seat)] == [7, 8]


async def test_two_at_the_same_time(models) -> None:
    rows = rows_of(*((f"name {number}", "m") for number in range(200)))
    both = [models.User.query.bulk_update_or_create(rows, unique_fields=["name"]) for _ in range(2)]
    one, other = await asyncio.gather(*both)
    assert [user.id for user in one] == [user.id for user in other]
    assert len(await models.stored()) == 200


async def test_trigger_that_changes_what_tells_rows_apart(models, reasons) -> None:
    if dialect(models) != "postgresql":
        pytest.skip("PostgreSQL's triggers change rows before they are written")
    async with models.database.engine.begin() as connection:
        for statement in (
            (
                "CREATE FUNCTION lowered() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN NEW.name := lower(NEW.name); RETURN NEW; END $$"
            ),
            'CREATE TRIGGER lowering BEFORE INSERT ON "user" FOR EACH ROW EXECUTE FUNCTION lowered()',
        ):
            await connection.exec_driver_sql(statement)
    await models.User.query.bulk_update_or_create(rows_of(("Ada", "a"), ("Bob", "b")), unique_fields=["name"])
    assert reasons() == ["a trigger or a rule sees an INSERT of each row"]
    assert [row["name"] for row in await models.stored()] == ["ada", "bob"]


@pytest.mark.parametrize("is_heard", [False, True])
async def test_row_that_is_found_is_set_as_update_would_set_it(models, is_heard) -> None:
    class Pet(models.Base):
        __tablename__ = "pet"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        nick: Mapped[str | None]
        weight: Mapped[int | None]
        alias = synonym("nick")
        owner_id: Mapped[int | None] = mapped_column(ForeignKey(models.User.id))
        owner = relationship(models.User)

        @hybrid_property
        def grams(self) -> int:
            return self.weight * 1000

        @grams.inplace.setter
        def _set_grams(self, grams: int) -> None:
            self.weight = grams // 1000

    await create(models, Pet)
    user = await models.User.query.create(name="Ada")
    for number in range(1, 5):
        await Pet.query.create(id=number, name="a")
    given = [{"alias": "b"}, {"grams": 7000}, {"owner": user}, {"alias": "c", "name": "d", "owner": user}]
    told = []

    async def receiver(sender, model_instance, values, column_values) -> None:
        if model_instance is not None:
            told.append((model_instance.id, set(values), column_values))

    if is_heard:
        models.Base.meta.signals.post_update.connect(receiver, Pet)
    pets = await Pet.query.bulk_update_or_create([{"id": number, **each} for number, each in enumerate(given, 1)])
    shown = [(pet.name, pet.nick, pet.weight, pet.owner_id, inspect(pet).modified) for pet in pets]
    assert shown == [
        ("a", "b", None, None, False),
        ("a", None, 7, None, False),
        ("a", None, None, user.id, False),
        ("d", "c", None, user.id, False),
    ]
    names = ("name", "nick", "weight", "owner_id")
    written = await Pet.query.order_by("id").values(*names)
    assert [tuple(row.values()) for row in written] == [each[:-1] for each in shown]
    for pet, each in zip(pets, given, strict=True):
        await Pet.query.filter(id=pet.id).update(name="a", nick=None, weight=None, owner_id=None)
        await (await pet.load()).update(**each)
    assert await Pet.query.order_by("id").values(*names) == written
    assert told[:4] == told[4:]
    with pytest.raises(aldis.UnknownAttributeError, match="'save' of Pet cannot be set by name"):
        await Pet.query.bulk_update_or_create([{"id": 1, "save": 1}])
