"""The rules of a row, on every road that writes one: they are those of SQLAlchemy's flush."""

from __future__ import annotations

import pytest
import pytest_asyncio
from documents import DICT_AS_JSON
from sqlalchemy import ForeignKey, String, event, func, inspect
from sqlalchemy.orm import Mapped, column_property, mapped_column

pytestmark = pytest.mark.asyncio


async def by_save(model, instances) -> None:
    for instance in instances:
        await instance.save()


async def by_bulk_create(model, instances) -> None:
    await model.query.bulk_create(instances)


async def by_stream(model, instances) -> None:
    async with model.query.bulk_create_stream(instances) as batches:
        async for _ in batches:
            pass


async def by_ignoring_conflicts(model, instances) -> None:
    await model.query.bulk_create(instances, ignore_conflicts=True)


async def by_session(model, instances) -> None:
    async with model.meta.database.session(expire_on_commit=False) as session, session.begin():
        session.add_all(instances)


ROADS = {each.__name__: each for each in (by_save, by_bulk_create, by_stream, by_ignoring_conflicts, by_session)}


@pytest.fixture(params=ROADS)
def write(request):
    """Return a way to insert instances."""
    return ROADS[request.param]


@pytest_asyncio.fixture
async def zoo(models):
    """Return models with defaults, derived classes, and values that change in place."""

    class Animal(models.Base):
        __tablename__ = "animal"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str] = mapped_column(String(20))
        name: Mapped[str] = mapped_column(String(50), default="nobody")
        note: Mapped[str | None] = mapped_column(String(50))
        origin: Mapped[str | None] = mapped_column(String(50), server_default="here")
        loud: Mapped[str] = column_property(func.upper(name))
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}  # noqa: RUF012

    class Bird(Animal):
        wings: Mapped[int | None]
        __mapper_args__ = {"polymorphic_identity": "bird"}  # noqa: RUF012

    class Fish(Animal):
        __tablename__ = "fish"
        id: Mapped[int] = mapped_column(ForeignKey("animal.id"), primary_key=True)
        depth: Mapped[int | None]
        __mapper_args__ = {"polymorphic_identity": "fish"}  # noqa: RUF012

    class Box(models.Base):
        __tablename__ = "box"
        id: Mapped[int] = mapped_column(primary_key=True)
        content: Mapped[dict] = mapped_column(DICT_AS_JSON, default=dict)

    async with models.database.engine.begin() as connection:
        await connection.run_sync(models.Base.metadata.create_all)
    models.Animal, models.Bird, models.Fish, models.Box = Animal, Bird, Fish, Box
    return models


async def test_none_lets_a_default_serve(zoo, write) -> None:
    animal = zoo.Animal(name=None, origin=None)
    await write(zoo.Animal, [animal])
    (row,) = await zoo.stored(zoo.Animal)
    assert (row["name"], row["origin"], row["note"]) == ("nobody", "here", None)
    assert animal.name == "nobody"
    assert animal.note is None


async def test_attribute_that_was_never_set_reads_none(zoo, write) -> None:
    animal = zoo.Animal(name="a")
    await write(zoo.Animal, [animal])
    assert animal.note is None


@pytest.mark.parametrize("is_returning", [True, False])
async def test_key_of_the_table_is_read_where_the_mapper_has_another_one(
    models, write, monkeypatch, is_returning
) -> None:
    class Country(models.Base):
        __tablename__ = "country"
        id: Mapped[int] = mapped_column(primary_key=True)
        code: Mapped[str] = mapped_column(String(2), unique=True)
        __mapper_args__ = {"primary_key": [code]}  # noqa: RUF012

    async with models.database.engine.begin() as connection:
        await connection.run_sync(models.Base.metadata.create_all)
    if not is_returning:
        monkeypatch.setattr(models.database.engine.dialect, "insert_returning", False)
    countries = [Country(code=code) for code in ("no", "fi", "is")]
    await write(Country, countries)
    rows = {row["code"]: row["id"] for row in await models.stored(Country)}
    assert {each.code: each.id for each in countries} == rows
    assert [inspect(each).identity for each in countries] == [("no",), ("fi",), ("is",)]
    await countries[0].update(code="nn")
    assert (countries[0].id, inspect(countries[0]).identity) == (rows["no"], ("nn",))


async def test_instances_of_derived_classes_are_written_whole_by_their_own_class(zoo, write) -> None:
    heard = []

    def before(sender, model_instance):
        heard.append((sender, model_instance))

    for model in (zoo.Animal, zoo.Bird, zoo.Fish):
        zoo.Base.meta.signals.pre_save.connect(before, model)
    instances = [zoo.Bird(name="b", wings=2), zoo.Fish(name="f", depth=9), zoo.Animal(name="a"), zoo.Bird(name="c")]
    await write(zoo.Animal, instances)
    found = {each.name: each for each in await zoo.Animal.query.all()}
    assert {name: type(each) for name, each in found.items()} == {
        "b": zoo.Bird,
        "f": zoo.Fish,
        "a": zoo.Animal,
        "c": zoo.Bird,
    }
    assert (await zoo.Bird.query.get(name="b")).wings == 2
    assert (await zoo.Fish.query.get()).depth == 9
    assert {id(instance): sender for sender, instance in heard} == {id(each): type(each) for each in instances}
    assert [each.id for each in instances] == [found[each.name].id for each in instances]


async def test_bulk_create_returns_instances_of_several_classes_in_their_order(zoo) -> None:
    instances = [zoo.Bird(name="b"), zoo.Fish(name="f"), zoo.Bird(name="c"), zoo.Animal(name="a")]
    assert await zoo.Animal.query.bulk_create(instances) == instances


async def test_bulk_update_writes_the_columns_of_each_class(zoo) -> None:
    bird, fish = zoo.Bird(name="b", wings=2), zoo.Fish(name="f", depth=9)
    await zoo.Animal.query.bulk_create([bird, fish])
    senders = []

    def after(sender):
        senders.append(sender)

    for model in (zoo.Bird, zoo.Fish):
        zoo.Base.meta.signals.post_update.connect(after, model)
    bird.wings, fish.depth = 4, 10
    assert await zoo.Animal.query.bulk_update([bird, fish]) == 2
    assert senders == [zoo.Bird, zoo.Fish]
    assert (await zoo.Bird.query.get()).wings == 4
    assert (await zoo.Fish.query.get()).depth == 10


async def test_attribute_that_a_receiver_sets_is_written(zoo, write) -> None:
    def before(sender, model_instance, column_values):
        model_instance.note = f"{model_instance.name}!"
        model_instance.origin = "of the instance"
        column_values["origin"] = "of the column values"

    for model in (zoo.Animal, zoo.Bird, zoo.Fish):
        zoo.Base.meta.signals.pre_save.connect(before, model)
    instances = [zoo.Animal(name="a"), zoo.Bird(name="b"), zoo.Fish(name="f")]
    await write(zoo.Animal, instances)
    rows = await zoo.stored(zoo.Animal)
    assert sorted(row["note"] for row in rows) == ["a!", "b!", "f!"]
    assert {row["origin"] for row in rows} == {"of the column values"}
    assert [(each.note, each.origin) for each in instances] == [
        (f"{each.name}!", "of the column values") for each in instances
    ]


@pytest.mark.parametrize("way", ["save", "update", "bulk_update", "session"])
async def test_attribute_that_a_receiver_sets_of_a_stored_row_is_written(zoo, way) -> None:
    animal = await zoo.Animal.query.create(name="a")

    def before(sender, model_instance):
        model_instance.note = f"{model_instance.name}!"

    zoo.Base.meta.signals.pre_save.connect(before, zoo.Animal)
    zoo.Base.meta.signals.pre_update.connect(before, zoo.Animal)
    if way == "update":
        await animal.update(name="b")
    else:
        animal.name = "b"
        if way == "save":
            await animal.save()
        elif way == "bulk_update":
            await zoo.Animal.query.bulk_update([animal])
        else:
            async with zoo.database.session() as session, session.begin():
                session.add(animal)
    (row,) = await zoo.stored(zoo.Animal)
    assert (row["name"], row["note"]) == ("b", "b!")


async def test_mappers_events_are_called(zoo, write) -> None:
    called = []

    @event.listens_for(zoo.Animal, "before_insert")
    def before_insert(mapper, connection, target):
        called.append(("before_insert", target.name))
        target.note = "of the event"

    @event.listens_for(zoo.Animal, "after_insert")
    def after_insert(mapper, connection, target):
        called.append(("after_insert", target.name))

    shown = []
    zoo.Base.meta.signals.post_save.connect(on_saved := lambda sender, column_values: shown.append(column_values))
    animal = zoo.Animal(name="a")
    await write(zoo.Animal, [animal])
    assert called == [("before_insert", "a"), ("after_insert", "a")]
    (row,) = await zoo.stored(zoo.Animal)
    assert row["note"] == animal.note == "of the event"
    assert [each["note"] for each in shown] == ["of the event"]
    assert on_saved is not None


async def test_mappers_events_of_updates_and_deletes_are_called(zoo) -> None:
    called = []
    for name in ("before_update", "after_update", "before_delete", "after_delete"):
        event.listen(zoo.Box, name, lambda mapper, connection, target, name=name: called.append(name))
    box = await zoo.Box.query.create(content={"a": 1})
    await box.update(content={"a": 2})
    box.content = {"a": 3}
    await zoo.Box.query.bulk_update([box])
    await box.delete()
    assert called == ["before_update", "after_update"] * 2 + ["before_delete", "after_delete"]


async def test_change_in_place_of_a_mutable_default_is_written(zoo, write) -> None:
    box = zoo.Box()
    await write(zoo.Box, [box])
    box.content["a"] = 1
    await box.save()
    (row,) = await zoo.stored(zoo.Box)
    assert row["content"] == {"a": 1}


async def test_mapped_attribute_is_a_value_as_any_sql_expression_is(models, write) -> None:
    user = await models.User.query.create(name="Ada")
    user.mail = models.User.name
    await user.save()
    assert (await models.stored())[0]["email_address"] == "Ada"
    await user.update(mail=models.User.name + "!")
    assert (await models.stored())[0]["email_address"] == "Ada!"


@pytest.mark.parametrize("is_async", [False, True])
async def test_rows_of_a_generator_that_a_receiver_reads_are_written(models, is_async) -> None:
    def rows():
        yield {"name": "a"}
        yield {"name": "b"}

    async def asynchronous():
        for row in rows():
            yield row

    read = []

    async def before(sender, raw_values):
        if is_async:
            read.extend([row async for row in raw_values])
            read.extend([row async for row in raw_values])
        else:
            read.extend([*raw_values, *raw_values])

    models.Base.meta.signals.pre_bulk.connect(before, models.User)
    created = await models.User.query.bulk_create(asynchronous() if is_async else rows())
    assert [each.name for each in created] == ["a", "b"]
    assert read == [{"name": "a"}, {"name": "b"}] * 2
    assert [row["name"] for row in await models.stored()] == ["a", "b"]


async def test_conflicts_are_ignored_where_a_class_needs_the_unit_of_work(zoo) -> None:
    await zoo.Fish.query.create(id=1, name="first", depth=1)
    found = await zoo.Fish.query.bulk_create(
        [zoo.Fish(id=1, name="second"), zoo.Fish(id=2, name="third", depth=3)], ignore_conflicts=True
    )
    assert [each.name for each in found] == ["third"]
    assert sorted(row["name"] for row in await zoo.stored(zoo.Animal)) == ["first", "third"]


async def test_value_that_is_set_to_what_it_was_is_no_change(models) -> None:
    user = await models.User.query.create(name="Ada")
    user.name = "Ada"
    heard = []
    models.Base.meta.signals.post_save.connect(
        after := lambda sender, column_values, row_count: heard.append((column_values, row_count)), models.User
    )
    await user.save()
    assert heard == [({}, 0)]
    assert after is not None
