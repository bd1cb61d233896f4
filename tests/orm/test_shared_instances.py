"""One instance that several tasks write in one transaction: what is written is decided when the turn has come."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import event, inspect
from sqlalchemy.util import await_only
from users import models_and_pages_on

import aldis


@pytest.fixture
async def models(url):
    """Return models of two roads to the database: that of ``Page``, with a version counter, is a flush."""
    async with models_and_pages_on(url) as found:
        yield found


@pytest.fixture(params=["User", "Page"])
def model(request, models):
    """Return each model, whose receivers take their time."""
    found = getattr(models, request.param)

    async def wait(sender):
        await asyncio.sleep(0.001)

    before_each_write(found, wait, weak=False)
    return found


def before_each_write(model, receiver, *, weak: bool = True) -> None:
    """Connect a receiver to the signals before a write."""
    signals = model.meta.signals
    for signal in (signals.pre_save, signals.pre_update, signals.pre_delete):
        signal.connect(receiver, model, weak)


class FirstCall:
    """A receiver whose first call waits until it may go on, and may fail then."""

    def __init__(self, fails: BaseException | None = None) -> None:
        self.fails = fails
        self.begun, self.may_go_on = asyncio.Event(), asyncio.Event()

    async def __call__(self, sender) -> None:
        if not self.begun.is_set():
            self.begun.set()
            await self.may_go_on.wait()
            if self.fails is not None:
                raise self.fails


async def together(models, *calls) -> list[object]:
    async with models.database.transaction():
        return await asyncio.gather(*calls, return_exceptions=True)


def bulk_create(instance):
    return type(instance).query.bulk_create([instance])


async def test_new_instance_that_is_saved_twice_has_one_row(models, model) -> None:
    told = []
    model.meta.signals.post_save.connect(lambda sender, is_update: told.append(is_update), model, weak=False)
    one = model(name="a")
    assert await together(models, one.save(), one.save()) == [one, one]
    assert [row["id"] for row in await models.stored(model)] == [one.id]
    assert told == [False, True]


async def test_new_instance_that_is_given_to_bulk_create_twice_is_refused(models, model) -> None:
    one = model(name="a")
    first, second = await together(models, bulk_create(one), bulk_create(one))
    assert first == [one]
    assert type(second) is aldis.AlreadyStoredError
    assert [row["id"] for row in await models.stored(model)] == [one.id]


@pytest.mark.parametrize("call", ["save", "update", "delete"])
async def test_instance_that_another_task_has_deleted_stays_new(models, model, call) -> None:
    one = await model.query.create(name="a")
    second = one.update(name="b") if call == "update" else getattr(one, call)()
    count, error = await together(models, one.delete(), second)
    assert count == 1
    assert type(error) is aldis.TransactionEndedError
    assert inspect(one).key is None
    assert one.name == "a"
    assert await models.stored(model) == []


async def test_call_that_fails_leaves_what_the_one_before_it_has_stored(models, model) -> None:
    def refuse(sender, model_instance):
        if model_instance.name == "bad":
            raise LookupError

    model.meta.signals.post_update.connect(refuse, model)
    one = model(name="a")
    saved, error = await together(models, one.save(), one.save(values={"name": "b"}))
    assert (saved, error) == (one, one)
    updated, error = await together(models, one.update(name="c"), one.update(name="bad"))
    assert updated is one
    assert type(error) is LookupError
    row = (await models.stored(model))[0]
    assert row["name"] == one.name == "c"
    assert not inspect(one).modified
    await one.update(name="d")  # with the version that is stored
    assert (await models.stored(model))[0]["name"] == "d"


async def test_update_that_waits_does_not_write_what_it_has_not_come_to(models, model) -> None:
    one = await model.query.create(name="a")
    changes = []
    model.meta.signals.post_save.connect(lambda sender, changes: seen(changes), model, weak=False)
    model.meta.signals.post_update.connect(lambda sender, changes: seen(changes), model, weak=False)

    def seen(told):
        changes.append(told["name"])

    await together(models, one.save(values={"name": "b"}), one.update(name="c"))
    assert changes == [("a", "b"), ("b", "c")]
    assert (await models.stored(model))[0]["name"] == one.name == "c"


async def in_the_flush(one, call):
    """Make a call while another task's flush has the instance."""
    async with asyncio.timeout(10):
        while inspect(one).session is None:
            await asyncio.sleep(0)
    return await call()


@pytest.mark.parametrize("in_block", [True, False], ids=["one transaction", "two"])
async def test_load_waits_for_the_flush_that_has_the_instance(models, in_block) -> None:
    one = await models.Page.query.create(name="a")
    calls = [one.save(values={"name": "b"}), in_the_flush(one, one.load)]
    assert await (together(models, *calls) if in_block else asyncio.gather(*calls)) == [one, one]
    assert [(row["name"], row["version"]) for row in await models.stored(models.Page)] == [("b", 2)]
    assert (one.name, one.version, inspect(one).modified) == ("b", 2, False)


@pytest.mark.parametrize("call", ["save", "update", "delete"])
@pytest.mark.parametrize("in_block", [True, False], ids=["one transaction", "two"])
async def test_call_in_the_flush_of_another_task_is_an_operation_of_its_own(models, in_block, call) -> None:
    told = []

    def refuse(sender, instance, **kwargs):
        told.append(instance.name)
        raise LookupError

    one = await models.Page.query.create(name="a")
    signals = models.Page.meta.signals
    for name in ("post_update", "post_delete"):
        getattr(signals, name).connect(refuse, models.Page, weak=False)
    signals.post_save.connect(refuse, models.Page, weak=False, when=lambda model_instance: model_instance.name == "c")
    values = {"save": {"values": {"name": "c"}}, "update": {"name": "c"}, "delete": {}}[call]
    calls = [one.save(values={"name": "b"}), in_the_flush(one, lambda: getattr(one, call)(**values))]
    saved, error = await (together(models, *calls) if in_block else asyncio.gather(*calls, return_exceptions=True))
    assert saved is one
    assert type(error) is LookupError
    assert told == ["b" if call == "delete" else "c"]
    assert [(row["name"], row["version"]) for row in await models.stored(models.Page)] == [("b", 2)]
    assert (one.name, one.version, inspect(one).modified) == ("b", 2, False)


async def test_flush_that_waits_for_the_call_is_told_of_by_name(models) -> None:
    aldis.Database(models.database.engine, turn_timeout=0.3)
    one = await models.Page.query.create(name="a")

    async def detached_update():
        async with aldis.detached():
            return await one.update(name="c")

    @event.listens_for(models.Page, "before_update")
    def wait_for_the_call(mapper, connection, page):
        await_only(detached_update())

    with pytest.raises(aldis.TurnTimeoutError, match="a call on a Page has waited 0.3 s for the flush"):
        await one.save(values={"name": "b"})
    assert [(row["name"], row["version"]) for row in await models.stored(models.Page)] == [("a", 1)]


@pytest.mark.parametrize("fails", [ValueError("refused"), asyncio.CancelledError(), aldis.SkipOperation()], ids=repr)
async def test_instance_keeps_the_key_of_another_task_where_a_save_fails(models, model, fails) -> None:
    one, first = model(name="a"), FirstCall(fails)
    model.meta.signals.pre_save.connect(first, model)
    failing = asyncio.create_task(one.save())
    await first.begun.wait()
    if models.database.engine.dialect.name == "sqlite":
        first.may_go_on.set()  # its writers wait for each other
    await one.save()
    first.may_go_on.set()
    (answer,) = await asyncio.gather(failing, return_exceptions=True)
    assert answer is None if isinstance(fails, aldis.SkipOperation) else type(answer) is type(fails)
    assert [row["id"] for row in await models.stored(model)] == [one.id]
    await one.update(name="b")
    assert [row["name"] for row in await models.stored(model)] == ["b"]


@pytest.mark.parametrize("failing", [None, "a", "b"])
async def test_sessions_of_two_tasks_take_turns_in_blocks_of_their_own(models, failing) -> None:
    async def store(name: str) -> None:
        async with models.database.transaction(), models.database.session() as session:
            session.add(models.User(name=name))
            await session.flush()
            await asyncio.sleep(0.001)
            if name == failing:
                raise KeyError(name)
            await session.commit()

    async with models.database.transaction():
        answers = await asyncio.gather(store("a"), store("b"), return_exceptions=True)
    assert [type(each) for each in answers] == [KeyError if name == failing else type(None) for name in "ab"]
    assert sorted(row["name"] for row in await models.stored(models.User)) == [each for each in "ab" if each != failing]


async def test_two_tasks_save_a_new_instance_in_transactions_of_their_own(models, model) -> None:
    one = model(name="a")
    answers = await asyncio.gather(one.save(), one.save(), return_exceptions=True)
    assert one in answers
    assert {type(each) for each in answers} <= {model, aldis.AlreadyStoredError}
    assert [row["id"] for row in await models.stored(model)] == [one.id]
    await one.update(name="b")
    assert [row["name"] for row in await models.stored(model)] == ["b"]


def stream(instance, other):
    async def run():
        async with type(instance).query.bulk_create_stream([instance, other]) as batches:
            return [each async for batch in batches for each in batch]

    return run()


BULKS = {
    "bulk_create": lambda one, other: type(one).query.bulk_create([one, other]),
    "ignore_conflicts": lambda one, other: type(one).query.bulk_create([one, other], ignore_conflicts=True),
    "bulk_create_stream": stream,
    "bulk_get_or_create": lambda one, other: type(one).query.bulk_get_or_create([one, other], unique_fields=["name"]),
}


@pytest.mark.parametrize("fails", [None, ValueError("refused"), aldis.SkipOperation()], ids=repr)
@pytest.mark.parametrize("way", BULKS)
async def test_bulk_leaves_an_instance_to_the_task_that_has_stored_it(models, model, way, fails) -> None:
    one, other, first = model(name="a"), model(name="b"), FirstCall(fails)
    model.meta.signals.pre_save.connect(first, model)
    bulk = asyncio.create_task(BULKS[way](one, other))
    await first.begun.wait()
    if models.database.engine.dialect.name == "sqlite":
        first.may_go_on.set()  # its writers wait for each other
    (saved,) = await asyncio.gather(one.save(), return_exceptions=True)
    first.may_go_on.set()
    (answer,) = await asyncio.gather(bulk, return_exceptions=True)
    assert saved is one or type(saved) is aldis.AlreadyStoredError
    assert isinstance(answer, (list, aldis.AlreadyStoredError, ValueError))
    assert [row["id"] for row in await models.stored(model) if row["name"] == "a"] == [one.id]
    await one.update(name="c")
    assert [row["name"] for row in await models.stored(model) if row["id"] == one.id] == ["c"]


@pytest.mark.parametrize("in_block", [True, False], ids=["one transaction", "two"])
@pytest.mark.parametrize("is_stored", [True, False])
async def test_bulk_waits_for_the_flush_that_has_the_instance(models, in_block, is_stored) -> None:
    one = await models.Page.query.create(name="a") if is_stored else models.Page(name="a")

    async def bulk():
        if is_stored:
            return await models.Page.query.bulk_update([one])
        return await models.Page.query.bulk_create([one, models.Page(name="c")])

    calls = [one.save(values={"name": "b"}), in_the_flush(one, bulk)]
    gathered = together(models, *calls) if in_block else asyncio.gather(*calls, return_exceptions=True)
    saved, answer = await gathered
    assert saved is one
    assert answer == 0 if is_stored else type(answer) is aldis.AlreadyStoredError
    assert [(row["id"], row["name"]) for row in await models.stored(models.Page)] == [(one.id, "b")]


@pytest.mark.parametrize("call", ["save", "update", "delete", "bulk_update"])
@pytest.mark.parametrize("fails", [None, ValueError("refused")], ids=repr)
async def test_row_that_another_transaction_has_deleted_stays_deleted(models, model, call, fails) -> None:
    if models.database.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    one, other, first = model(name="a"), model(name="b"), FirstCall(fails)
    await model.query.bulk_create([one, other])
    before_each_write(model, first)
    if call == "bulk_update":
        one.name, other.name = "c", "d"
        waiting = asyncio.create_task(model.query.bulk_update([one, other]))
    else:
        values = {"save": {"values": {"name": "c"}}, "update": {"name": "c"}, "delete": {}}[call]
        waiting = asyncio.create_task(getattr(one, call)(**values))
    await first.begun.wait()
    assert await one.delete() == 1
    first.may_go_on.set()
    (error,) = await asyncio.gather(waiting, return_exceptions=True)
    assert type(error) is (aldis.TransactionEndedError if fails is None else ValueError)
    assert inspect(one).key is None
    assert [row["name"] for row in await models.stored(model)] == ["b"]


@pytest.mark.parametrize("second", ["update", "load"])
@pytest.mark.parametrize("fails", [ValueError("refused"), aldis.SkipOperation(), asyncio.CancelledError()], ids=repr)
@pytest.mark.parametrize("call", ["save", "update", "delete", "bulk_update"])
async def test_instance_has_what_another_transaction_has_stored_while_a_receiver_waited(
    models, model, call, fails, second
) -> None:
    if models.database.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    one, other, first = model(name="a"), model(name="b"), FirstCall(fails)
    await model.query.bulk_create([one, other])
    before_each_write(model, first)
    if call == "bulk_update":
        other.name = "d"
        waiting = asyncio.create_task(model.query.bulk_update([one, other], update_fields=["name"]))
    else:
        values = {"save": {"values": {"name": "c"}}, "update": {"name": "c"}, "delete": {}}[call]
        waiting = asyncio.create_task(getattr(one, call)(**values))
    await first.begun.wait()
    if second == "update":
        await one.update(name="z")
    else:
        await model.query.filter(id=one.id).update(name="z")
        await one.load()
    first.may_go_on.set()
    await asyncio.gather(waiting, return_exceptions=True)
    (row,) = [row for row in await models.stored(model) if row["id"] == one.id]
    assert {name: getattr(one, name) for name in ("id", "name")} == {"id": row["id"], "name": "z"}
    assert getattr(one, "version", None) == row.get("version")
    assert not inspect(one).modified
    await one.update(name="e")
    assert {row["name"] for row in await models.stored(model)} >= {"e"}


@pytest.mark.parametrize("call", ["save", "update", "delete", "bulk_update"])
async def test_update_that_a_receiver_has_made_is_put_back_with_the_call(models, model, call) -> None:
    one, is_first = await model.query.create(name="a"), True

    async def change(sender) -> None:
        nonlocal is_first
        if is_first:
            is_first = False
            await one.update(name="n")
            raise ValueError("refused")

    before_each_write(model, change)
    with pytest.raises(ValueError, match="refused"):
        if call == "bulk_update":
            await model.query.bulk_update([one], update_fields=["name"])
        else:
            await getattr(one, call)(**{"save": {"values": {"name": "c"}}, "update": {"name": "c"}, "delete": {}}[call])
    (row,) = await models.stored(model)
    assert (row["name"], one.name, inspect(one).modified) == ("a", "a", False)
    assert getattr(one, "version", None) == row.get("version")


async def test_expired_attribute_that_a_failed_call_has_set_is_expired_again(models) -> None:
    one = await models.User.query.create(name="a", mail="a@example.org")
    async with models.database.session() as session:
        session.add(one)
        session.expire(one, ["mail"])
        session.expunge(one)

    async def rename(sender, model_instance) -> None:
        model_instance.name = "b"

    async def refuse(sender) -> None:
        raise ValueError("refused")

    models.Base.meta.signals.pre_update.connect(rename, models.User)
    models.Base.meta.signals.post_update.connect(refuse, models.User)
    with pytest.raises(ValueError, match="refused"):
        await one.update(mail="b@example.org")
    assert inspect(one).expired_attributes == {"mail"}
    assert (one.name, inspect(one).modified) == ("a", False)
    await one.load()
    assert one.mail == "a@example.org"


@pytest.mark.parametrize("call", ["bulk_get_or_create", "bulk_update_or_create"])
@pytest.mark.parametrize("fails", [LookupError(), aldis.SkipOperation(), None], ids=["fails", "skipped", "goes on"])
async def test_instance_that_another_task_has_stored_keeps_its_key(models, call, fails) -> None:
    if models.database.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer: the other task waits")
    wait = FirstCall(fails)
    models.User.meta.signals.pre_save.connect(wait, models.User)
    one = models.User(name="a")
    rows = getattr(models.User.query, call)([one], unique_fields=["name"], create_params={"mail": "m"})
    calling = asyncio.create_task(rows)
    await wait.begun.wait()
    await one.save()
    wait.may_go_on.set()
    await asyncio.gather(calling, return_exceptions=True)
    assert inspect(one).identity == (one.id,)
    await one.save()
    assert [row["id"] for row in await models.stored(models.User)] == [one.id]


@pytest.mark.parametrize("call", ["save", "bulk_create"])
async def test_values_of_a_new_instance_whose_save_is_undone_while_another_task_updates_it(models, call) -> None:
    if models.database.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer: the other task waits")
    first, second, page = FirstCall(LookupError()), FirstCall(), models.Page(id=7, name="a")
    models.Page.meta.signals.post_save.connect(first, models.Page)
    storing = asyncio.create_task(page.save() if call == "save" else bulk_create(page))
    await first.begun.wait()
    models.Page.meta.signals.pre_update.connect(second, models.Page)
    updating = asyncio.create_task(page.update(name="b"))
    await second.begun.wait()
    first.may_go_on.set()
    await asyncio.wait([storing])
    second.may_go_on.set()
    await asyncio.wait([updating])
    assert type(storing.exception()) is LookupError
    assert type(updating.exception()) is aldis.TransactionEndedError
    assert (page.id, page.name, inspect(page).key) == (7, "a", None)
    await page.save()
    assert [(row["id"], row["name"]) for row in await models.stored(models.Page)] == [(7, "a")]
