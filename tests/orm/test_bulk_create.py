"""Many instances at once: their keys, their signals, and what a failure leaves behind."""

from __future__ import annotations

import sys
from typing import ClassVar

import pytest
from sqlalchemy import String, inspect
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from users import models_on

import aldis
from aldis.context import CURRENT_MODEL_INSTANCE


@pytest.mark.parametrize("batch_size", [1, 3, 5000])
async def test_each_instance_has_the_key_of_its_own_row(models, batch_size) -> None:
    await (await models.User.query.create(name="before")).delete()
    await models.User.query.create(name="first")
    users = [models.User(name=f"u{number}") for number in range(10)]
    result = await models.User.query.bulk_create(users, batch_size=batch_size)
    assert result == users
    assert {row["id"]: row["name"] for row in await models.stored() if row["name"] != "first"} == {
        user.id: user.name for user in users
    }
    assert all(inspect(user).detached and not inspect(user).modified for user in users)


def only_sqlite(models) -> None:
    """Skip where another database numbers the rows: it does so by itself."""
    if models.database.engine.dialect.name != "sqlite":
        pytest.skip("of SQLite's own way to number rows")


async def test_autoincrement_never_reuses_a_key(models) -> None:
    only_sqlite(models)
    log = await models.Log.query.create(text="one", id=7)
    await log.delete()
    logs = await models.Log.query.bulk_create([{"text": "two"}, {"text": "three"}])
    assert [log.id for log in logs] == [8, 9]
    assert all(log.at is not None for log in logs)


async def test_autoincrement_table_without_server_defaults(models) -> None:
    only_sqlite(models)

    class Count(models.Base):
        __tablename__ = "count"
        id: Mapped[int] = mapped_column(primary_key=True)
        word: Mapped[str]
        __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012

    async with models.database.engine.begin() as connection:
        await connection.run_sync(Count.__table__.create)
    await (await Count.query.create(word="gone", id=41)).delete()
    counts = await Count.query.bulk_create([{"word": "a"}, {"word": "b"}])
    assert [count.id for count in counts] == [42, 43]
    assert [(row["id"], row["word"]) for row in await models.stored(Count)] == [(42, "a"), (43, "b")]


async def test_given_and_missing_keys_mix(models) -> None:
    users = [models.User(name="a", id=100), models.User(name="b"), models.User(name="c", mail="x")]
    await models.User.query.bulk_create(users)
    assert {row["id"]: row["name"] for row in await models.stored()} == {user.id: user.name for user in users}
    assert users[0].id == 100


async def test_natural_keys(models) -> None:
    tags = await models.Tag.query.bulk_create([{"space": "a", "word": word} for word in "zyx"])
    assert [inspect(tag).identity for tag in tags] == [("a", "z"), ("a", "y"), ("a", "x")]


async def test_signals_of_a_bulk_in_order(models) -> None:
    calls = []
    signals = models.Base.meta.signals
    for name in ("pre_bulk", "pre_save", "post_save", "post_bulk"):

        async def receiver(sender, name=name, **kwargs):
            calls.append((name, kwargs))

        signals[name].connect(receiver, models.User, weak=False)
    query = models.User.query
    rows = [{"name": "a"}, {"name": "b"}]
    users = await query.bulk_create(rows)
    assert [name for name, _ in calls] == ["pre_bulk", "pre_save", "pre_save", "post_save", "post_save", "post_bulk"]
    bulk = {
        "instance": query,
        "operation": "bulk_create",
        "raw_values": rows,
        "create_params": None,
        "update_params": None,
        "update_fields": None,
        "ignore_conflicts": False,
    }
    assert calls[0][1] == bulk
    assert calls[5][1] == {**bulk, "row_count_create": 2, "row_count_update": 0, "operation_skipped": False}
    assert [kwargs["model_instance"] for _, kwargs in calls[1:5]] == users * 2
    assert [kwargs["values"] for _, kwargs in calls[1:5]] == rows * 2
    assert [kwargs["column_values"]["id"] for _, kwargs in calls[3:5]] == [1, 2]


async def test_receivers_edit_and_skip_rows(models) -> None:
    signals, after = models.Base.meta.signals, []

    @signals.pre_save.connect_via(models.User)
    async def edit(sender, column_values):
        if column_values["name"] == "skip":
            raise aldis.SkipOperation
        column_values["name"] = column_values["name"].upper()

    @signals.post_save.connect_via(models.User)
    async def tell(sender, model_instance, operation_skipped, row_count):
        after.append((model_instance.name, operation_skipped, row_count))

    users = await models.User.query.bulk_create([{"name": name} for name in ("a", "skip", "b")])
    assert [(user.id, user.name) for user in users] == [(1, "A"), (2, "B")]
    assert after == [("A", False, 1), ("skip", True, 0), ("B", False, 1)]
    assert [row["name"] for row in await models.stored()] == ["A", "B"]


async def test_skipped_bulk_reads_no_row(models) -> None:
    async def skip(sender):
        raise aldis.SkipOperation

    def rows():
        raise AssertionError("read")
        yield

    told = []
    signals = models.Base.meta.signals
    signals.post_bulk.connect(lambda sender, **kwargs: told.append(kwargs["operation_skipped"]), weak=False)
    with signals.pre_bulk.connected_to(skip, models.User):
        assert await models.User.query.bulk_create(rows()) == []
    assert told == [True]


async def test_failure_in_the_middle_undoes_all_batches_and_instances(models) -> None:
    users = [models.User(name=f"u{number}") for number in range(7)]

    async def failing(sender, model_instance):
        if model_instance.name == "u5":
            raise ValueError("no")

    with models.Base.meta.signals.post_save.connected_to(failing, models.User), pytest.raises(ValueError, match="no"):
        await models.User.query.bulk_create(users, batch_size=2)
    assert await models.stored() == []
    assert all(inspect(user).transient and "id" not in inspect(user).dict for user in users)
    users[6].name = "u0"
    with pytest.raises(IntegrityError):
        await models.User.query.bulk_create(users, batch_size=2)
    assert await models.stored() == []
    users[6].name = "u6"
    await models.User.query.bulk_create(users)
    assert {user.id: user.name for user in users} == {row["id"]: row["name"] for row in await models.stored()}


async def test_bad_rows_are_refused(models) -> None:
    query = models.User.query
    user = models.User(name="a")
    with pytest.raises(ValueError, match="batch_size is 0"):
        await query.bulk_create([user], batch_size=0)
    with pytest.raises(TypeError, match="row 2 is 5: bulk_create takes instances of User"):
        await query.bulk_create([user, 5])
    with pytest.raises(TypeError, match="'nam' is an invalid keyword argument for User"):
        await query.bulk_create([{"nam": "a"}])
    with pytest.raises(aldis.ConfigurationError, match="was given twice"):
        await query.bulk_create([user, user])
    await user.save()
    with pytest.raises(aldis.AlreadyStoredError, match=r"row 2, .* is stored already"):
        await query.bulk_create([models.User(name="b"), user])
    assert len(await models.stored()) == 1


async def test_bulk_create_in_a_receiver_leaves_the_context_as_it_was(models) -> None:
    from aldis.context import CURRENT_MODEL_INSTANCE

    seen = []

    @models.Base.meta.signals.post_save.connect_via(models.User)
    async def log(sender, model_instance):
        await models.Log.query.bulk_create([{"text": "x"}])
        seen.append(CURRENT_MODEL_INSTANCE.get() is model_instance)

    models.Base.meta.signals.pre_save.connect(lambda sender: None, weak=False)
    await models.User.query.create(name="a")
    assert seen == [True]


@pytest.mark.parametrize("when", ["pre", "post"])
async def test_row_and_receiver_that_failed_are_named(models, when) -> None:
    def picky(sender, model_instance):
        if model_instance.name == "c":
            raise ValueError("not c")

    models.Base.meta.signals[f"{when}_save"].connect(picky, models.User)
    models.Base.meta.signals[f"{when}_update"].connect(picky, models.User)
    with pytest.raises(ValueError, match="not c") as caught:
        await models.User.query.bulk_create([{"name": name} for name in "abcd"], batch_size=2)
    receiver, row = caught.value.__notes__
    assert "picky" in receiver
    assert row == "aldis: at row 3 of bulk_create"
    with aldis.signals_disabled():
        users = await models.User.query.bulk_create([{"name": name} for name in "abcd"])
    for user in users:
        user.mail = "x"
    with pytest.raises(ValueError, match="not c") as caught:
        await models.User.query.bulk_update(users)
    assert caught.value.__notes__[-1] == "aldis: at row 3 of bulk_update"
    with pytest.raises(ValueError, match="not c") as caught:
        rows = [{"name": name, "mail": "x"} for name in "xyzc"]
        await models.User.query.bulk_update_or_create(rows, unique_fields=["name"])
    assert caught.value.__notes__[-1] == "aldis: at row 4 of bulk_update_or_create"


async def test_progress(models, capsys) -> None:
    told = []
    names = list("abcde")
    query = models.User.query

    def tell(done, total):
        told.append((done, total))

    users = await query.bulk_create([{"name": name} for name in names], batch_size=2, progress=tell)
    assert told == [(2, 5), (4, 5), (5, 5)]
    told.clear()
    await query.bulk_update((user for user in users), ["mail"], batch_size=3, progress=tell)
    assert told == [(3, None), (5, None)]
    told.clear()
    await query.bulk_get_or_create([{"name": "a"}], unique_fields=["name"], progress=tell)
    await query.bulk_update_or_create([{"name": "a"}], unique_fields=["name"], progress=tell)
    assert told == [(1, 1), (1, 1)]
    await query.bulk_create([{"name": name} for name in "xyz"], progress=True)
    shown = capsys.readouterr().out
    assert "bulk_create" in shown
    assert "3/3" in shown
    with pytest.raises(TypeError, match="progress is 'yes': give True, or a callable"):
        await query.bulk_create([{"name": "q"}], progress="yes")
    assert await query.count() == 8


async def test_progress_without_rich(models, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.progress", None)
    with pytest.raises(aldis.ConfigurationError, match=r"pip install 'aldis\[cli\]'"):
        await models.User.query.bulk_create([{"name": "a"}], progress=True)
    assert await models.User.query.count() == 0


async def test_keys_of_rows_of_several_classes_are_in_their_order(models) -> None:
    class Base(aldis.Model, DeclarativeBase):
        database = models.database

    class Animal(Base):
        __tablename__ = "animal_in_order"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str] = mapped_column(String(10))
        __mapper_args__: ClassVar = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}

    class Dog(Animal):
        __mapper_args__: ClassVar = {"polymorphic_identity": "dog"}

    async with Base.database.transaction() as connection:
        await connection.run_sync(Base.metadata.create_all)
    given = [Animal(), Dog(), Dog(), Animal(), Dog()]
    stored = await Animal.query.bulk_create(given)
    assert [type(each) for each in stored] == [Animal, Dog, Dog, Animal, Dog]
    keys = [each.id for each in stored]
    assert keys == list(range(keys[0], keys[0] + 5))
    again = Dog()
    with pytest.raises(aldis.ConfigurationError, match="one instance of Animal was given twice"):
        await Animal.query.bulk_create([again, Animal(), again])
    count = await Animal.query.count()
    async with Base.database.transaction() as connection:
        await connection.run_sync(Base.metadata.drop_all)
    assert count == 5


@pytest.mark.parametrize("count", [1, 3, 30])
async def test_receivers_are_told_of_few_rows_as_of_many(models, count) -> None:
    told, User = [], models.User

    @User.meta.signals.pre_save.connect_via(User)
    def skips(sender, model_instance, **kwargs):
        if model_instance.name == "name 0":
            raise aldis.SkipOperation

    @User.meta.signals.post_save.connect_via(User)
    async def fails(sender, model_instance, operation_skipped, **kwargs):
        told.append((model_instance.name, CURRENT_MODEL_INSTANCE.get() is model_instance, operation_skipped))
        if model_instance.name == f"again {count - 1}":
            raise ValueError(model_instance.name)

    rows = [User(name=f"name {number}") for number in range(count)]
    saved = await User.query.bulk_create(rows)
    assert saved == rows[1:]
    assert told == [(f"name {number}", True, number == 0) for number in range(count)]
    with pytest.raises(ValueError, match=f"again {count - 1}") as caught:
        await User.query.bulk_create([User(name=f"again {number}") for number in range(count)])
    assert f"aldis: at row {count} of bulk_create" in caught.value.__notes__


@pytest.mark.parametrize(
    ("value", "raised"),
    [("new", None), ("stored", None), (None, None), ("new", ValueError("before")), ("new", aldis.SkipOperation())],
)
async def test_one_instance_is_told_and_refused_as_one_of_many(url, value, raised) -> None:
    """It goes the road of ``save()``, unless somebody hears the bulk signals."""
    outcomes = []
    for are_bulk_signals_heard in (False, True):
        async with models_on(url) as models:
            User, told = models.User, []
            signals = User.meta.signals

            async def before(sender, instance, model_instance, values, column_values, is_update, *, told=told) -> None:
                told.append((type(instance), model_instance.name, values, column_values.copy(), is_update))
                if raised is not None:
                    raise raised

            async def after(sender, instance, column_values, row_count, operation_skipped, *, told=told) -> None:
                written = {key: each for key, each in column_values.items() if key != "id"}
                told.append((type(instance), written, row_count, operation_skipped))

            async def bulk(sender) -> None: ...

            await User(name="stored").save()
            signals.pre_save.connect(before, User)
            signals.post_save.connect(after, User)
            if are_bulk_signals_heard:
                signals.pre_bulk.connect(bulk, User)
            user = User(name=value)
            try:
                found = [each is user for each in await User.query.bulk_create([user])]
            except Exception as error:
                error.__notes__ = [note.partition(".<locals>")[0] for note in error.__notes__]
                found = (type(error), error.__notes__)
                del error.__notes__
            rows = [row["name"] for row in await User.query.order_by("id").values("name")]
            outcomes.append((found, told, inspect(user).detached, inspect(user).modified, user.name, rows))
    assert outcomes[0] == outcomes[1]
    assert (outcomes[0][0] == [True]) == (value == "new" and raised is None)
