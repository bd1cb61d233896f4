"""Without a broker: the table is the queue."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from shops import recorded
from sqlalchemy import func, select, text

import aldis
from aldis import relay
from aldis.relay import tables
from aldis.relay.event import lane_of
from aldis.relay.inbox import Inbox
from aldis.relay.lanes import Claim
from aldis.signals import post_delete, post_save, post_update

EVERY = [post_save, post_update, post_delete]


async def count_of(database, table) -> int:
    async with database.engine.connect() as connection:
        return await connection.scalar(select(func.count()).select_from(table))


async def test_each_event_has_its_effect_once_and_in_order(shop) -> None:
    got = []

    @relay.receiver(EVERY, "User", database=shop.database)
    async def receive(sender, instance, signal, column_values=None):
        got.append((signal, instance.id, instance.name))

    users = await shop.User.query.bulk_create([{"name": f"n{number}"} for number in range(100)])
    for user in users[:10]:
        await user.update(name="again")
        await user.delete()
    runner = relay.Relay(shop.database)
    assert await runner.pass_all() == 120
    assert await runner.pass_all() == 0
    assert len(got) == 120
    for user in users[:10]:
        assert [each for each in got if each[1] == user.id] == [
            ("post_save", user.id, f"n{user.id - users[0].id}"),
            ("post_update", user.id, "again"),
            ("post_delete", user.id, "again"),
        ]
    assert await count_of(shop.database, tables.outbox) == 0
    assert await count_of(shop.database, tables.delivery) == 0


async def test_what_a_receiver_writes_and_the_note_of_its_event_are_one_transaction(shop) -> None:
    attempts = []

    @relay.receiver(post_save, "User", database=shop.database, backoff=0)
    async def receive(sender, instance):
        await shop.Place.query.create(shelf="s", number=instance.id, label=instance.name)
        attempts.append(instance.id)
        if len(attempts) < 3:
            raise LookupError

    await shop.User.query.create(name="Ada")
    assert await relay.Relay(shop.database).pass_all() == 1
    assert attempts == [1, 1, 1]
    assert await shop.Place.query.count() == 1
    assert (await relay.status(shop.database)).aside == 0


async def test_poisoned_event_goes_to_the_dead_letters_and_holds_up_nobody_else(shop) -> None:
    got, tried = [], []

    @relay.receiver([post_save, post_update], "User", name="picky", database=shop.database, retries=2, backoff=0)
    async def receive(sender, instance):
        if instance.name == "poison":
            tried.append(instance.id)
            raise LookupError("I cannot")
        got.append((instance.id, instance.name))

    names = ["poison" if number == 20 else "fine" for number in range(1, 65)]
    users = await shop.User.query.bulk_create([{"name": each} for each in names])
    poisoned = users[19]
    await poisoned.update(name="cured")  # of the same key: it waits for the one before, and comes in its turn
    await relay.Relay(shop.database).pass_all()
    assert tried == [poisoned.id] * 3
    assert sorted(got) == sorted(
        [(user.id, "fine") for user in users if user is not poisoned] + [(poisoned.id, "cured")]
    )
    (letter,) = await relay.dead_letters(shop.database)
    assert (letter.receiver, letter.key, letter.attempts, letter.error) == (
        "picky",
        str(poisoned.id),
        3,
        "LookupError: I cannot",
    )
    state = await relay.status(shop.database)
    assert (state.waiting, state.aside, state.dead) == (0, 0, 1)
    assert await relay.dead_letters(shop.database, "nobody") == []
    assert await relay.retry(shop.database, "picky") == 1
    await relay.Relay(shop.database).pass_all()
    assert tried == [poisoned.id] * 6
    assert len(await relay.dead_letters(shop.database)) == 1


async def test_events_behind_a_failing_one_wait_for_it_and_keep_their_order(shop) -> None:
    got, fails = [], [True]

    @relay.receiver([post_save, post_update], "User", database=shop.database, retries=50, backoff=0.01)
    async def receive(sender, instance):
        if fails[0]:
            raise LookupError
        got.append(instance.points)

    ada = await shop.User.query.create(name="Ada")
    for points in range(1, 6):
        await ada.update(points=points)
    runner = relay.Relay(shop.database, poll=0.05)
    running = asyncio.create_task(runner.run())
    while (await relay.status(shop.database)).aside < 6:
        await asyncio.sleep(0.02)
    await ada.update(points=6)
    while (await relay.status(shop.database)).aside < 7:
        await asyncio.sleep(0.02)
    assert got == []
    fails[0] = False
    while (await relay.status(shop.database)).aside:
        await asyncio.sleep(0.02)
    runner.stop()
    await running
    assert got == [0, 1, 2, 3, 4, 5, 6]


async def test_event_that_cannot_be_read_is_dead_at_once(shop) -> None:
    @relay.receiver(post_save, "User", database=shop.database, version=1)
    async def receive(sender, instance: Strict): ...

    await shop.User.query.create(name="Ada")
    await relay.Relay(shop.database).pass_all()
    (letter,) = await relay.dead_letters(shop.database)
    assert letter.attempts == 1
    assert letter.error.startswith("SchemaError: ")
    assert "cannot read User of version 1: Object missing required field `rank`" in letter.error


class Strict(relay.receivers.msgspec.Struct, frozen=True):
    id: int
    rank: int


async def test_several_receivers_each_get_every_event(shop) -> None:
    got: dict[str, list[int]] = {"one": [], "two": [], "three": []}
    for each in ("one", "two"):

        @relay.receiver(post_save, "User", name=each)
        def receive(sender, instance, _each=each):
            got[_each].append(instance.id)

    @relay.receiver(post_save, "Place", name="three")
    def other(sender, instance):
        got["three"].append(instance.number)

    await shop.User.query.bulk_create([{"name": "Ada"}, {"name": "Bob"}])
    await shop.Place.query.create(shelf="s", number=9, label="x")
    await relay.Relay(shop.database).pass_all()
    assert {name: sorted(each) for name, each in got.items()} == {"one": [1, 2], "two": [1, 2], "three": [9]}
    assert await recorded(shop.database) == []


async def test_event_waits_for_a_receiver_that_is_known_but_does_not_run(shop) -> None:
    got = []

    @relay.receiver(post_save, "User", name="one")
    def one(sender, instance): ...

    @relay.receiver(post_save, "User", name="two")
    def two(sender, instance):
        got.append(instance.id)

    await relay.Relay(shop.database).pass_all()
    late = relay.RECEIVERS.pop("two")
    await shop.User.query.create(name="Ada")
    assert await relay.Relay(shop.database).pass_all() == 1
    assert len(await recorded(shop.database)) == 1
    assert (await relay.status(shop.database)).receivers["two"]["waiting"] == 1
    relay.RECEIVERS["two"] = late
    await relay.Relay(shop.database).pass_all()
    assert got == [1]
    assert await recorded(shop.database) == []


async def test_receiver_that_is_no_more_can_be_forgotten(shop) -> None:
    for each in ("one", "two"):
        relay.receiver(post_save, "User", name=each)(lambda sender, instance: None)
    await relay.Relay(shop.database).pass_all()
    del relay.RECEIVERS["two"]
    await shop.User.query.create(name="Ada")
    await relay.Relay(shop.database).pass_all()
    assert len(await recorded(shop.database)) == 1
    with pytest.raises(aldis.ConfigurationError, match="no receiver 'three' takes events from the table: one, two do"):
        await relay.forget(shop.database, "three")
    await relay.forget(shop.database, "two")
    await relay.Relay(shop.database).pass_all()
    assert await recorded(shop.database) == []


async def test_several_relays_share_the_lanes(shop) -> None:
    got = []

    @relay.receiver(post_save, "User", database=shop.database)
    async def receive(sender, instance):
        got.append(instance.id)

    await shop.User.query.bulk_create([{"name": "x"} for _ in range(200)])
    runners = [relay.Relay(shop.database, poll=0.02) for _ in range(3)]
    tasks = [asyncio.create_task(each.run()) for each in runners]
    while len(got) < 200:
        await asyncio.sleep(0.02)
    for each in runners:
        each.stop()
    await asyncio.gather(*tasks)
    assert sorted(got) == sorted(set(got))
    assert len(got) == 200


async def test_relays_that_start_at_once_do_not_stand_in_each_others_way(shop) -> None:
    @relay.receiver(post_save, "User", name="r", database=shop.database)
    async def receive(sender, instance): ...

    engine = shop.database.engine
    runners = [relay.Relay(shop.database) for _ in range(4)]
    async with AsyncExitStack() as stack:
        for each in runners:
            each.engine = engine
            await stack.enter_async_context(engine.connect())  # so that none has to connect when it begins
    for signals in ("post_save", "post_save,post_delete"):
        relay.RECEIVERS["r"].signals = tuple(signals.split(","))
        await asyncio.gather(*[each.register([relay.RECEIVERS["r"]]) for each in runners])
        async with engine.connect() as connection:
            assert (await connection.execute(select(tables.receiver))).all() == [("r", "User", signals)]


async def test_event_that_comes_twice_has_its_effect_once(shop) -> None:
    got = []

    @relay.receiver([post_save, post_update], "User", name="r", database=shop.database)
    async def receive(sender, instance):
        got.append(instance.points)

    ada = await shop.User.query.create(name="Ada")
    await ada.update(points=1)
    first, second = await recorded(shop.database)
    inbox = Inbox(relay.RECEIVERS["r"], shop.database)
    for each in (first, first, second, first, second):
        await inbox.take(each)
    await asyncio.gather(*[inbox.take(second) for _ in range(5)])
    assert got == [0, 1]


async def test_event_that_comes_when_those_before_have_just_been_settled_is_not_left(shop, monkeypatch) -> None:
    @relay.receiver([post_save], "User", name="r", database=shop.database)
    async def receive(sender, instance): ...

    for name in "abc":
        await shop.User.query.create(name=name)
    first, second, third = await recorded(shop.database)
    inbox = Inbox(relay.RECEIVERS["r"], shop.database)
    gate, taken = asyncio.Event(), []

    async def settle(events) -> None:
        await gate.wait()
        taken.extend(events)

    async def take_third() -> None:
        await gate.wait()  # behind both workers, which end in the same turn of the loop
        await inbox.take(third)

    monkeypatch.setattr(inbox.effects, "settle", settle)
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        for event in (first, second):
            tasks.create_task(inbox.take(event))
            await asyncio.sleep(0.01)
        tasks.create_task(take_third())
        await asyncio.sleep(0.01)
        gate.set()
    assert taken == [first, second, third]


async def test_database_waits_for_a_silent_receiver_as_long_as_it_says(shop) -> None:
    dialect = shop.database.engine.dialect.name
    if dialect == "sqlite":
        pytest.skip("it has no server")
    settings = {
        "postgresql": {
            "idle_in_transaction_session_timeout": "7s",
            "tcp_keepalives_idle": "3",
            "tcp_keepalives_interval": "3",
            "tcp_user_timeout": "7000",
        },
        "mysql": {"@@idle_transaction_timeout": 7},
    }["mysql" if dialect == "mariadb" else dialect]
    verb = "SHOW" if dialect == "postgresql" else "SELECT"
    seen = []

    async def note() -> None:
        async with shop.database.transaction() as connection:
            seen.append([await connection.scalar(text(f"{verb} {name}")) for name in settings])

    @relay.receiver(post_save, "User", database=shop.database, backoff=0, patience=7)
    async def receive(sender, instance):
        await note()
        if len(seen) == 2:
            raise LookupError

    await note()
    await shop.User.query.create(name="Ada")
    await relay.Relay(shop.database).pass_all()
    await note()
    before, *inside, after = seen
    assert inside == [list(settings.values())] * 2
    assert after == before


async def test_lane_that_cannot_be_read_does_not_hold_up_the_others(shop, monkeypatch) -> None:
    if shop.database.engine.dialect.name != "sqlite":
        pytest.skip("elsewhere it is the same, and PostgreSQL wakes the relay")
    read, heard = Claim.read, asyncio.Queue()

    async def refused(claim, *arguments):
        if claim.number == lane_of(users[0].id):
            raise LookupError("a row that cannot be read")
        return await read(claim, *arguments)

    @relay.receiver(post_update, "User", database=shop.database)
    async def receive(sender, instance):
        heard.put_nowait(instance.id)

    users = [shop.User(name="Ada") for _ in range(20)]
    await shop.User.query.bulk_create(users)
    other = next(user for user in users if lane_of(user.id) != lane_of(users[0].id))
    await relay.Relay(shop.database).pass_all()
    monkeypatch.setattr(Claim, "read", refused)
    runner = relay.Relay(shop.database, poll=0.1)
    running = asyncio.create_task(runner.run())
    for points in range(1, 8):  # pauses that doubled each time would be longer than that in the end
        await shop.User.query.bulk_update([{"id": users[0].id, "points": points}, {"id": other.id, "points": points}])
        assert await asyncio.wait_for(heard.get(), 10) == other.id
    runner.stop()
    await running


async def test_old_notes_are_pruned(shop, monkeypatch) -> None:
    monkeypatch.setattr("aldis.relay.effects.KEPT_SECONDS", -1.0)

    @relay.receiver(post_save, "User", name="r", database=shop.database)
    async def receive(sender, instance): ...

    await shop.User.query.create(name="Ada")
    await relay.Relay(shop.database).pass_all()
    assert await count_of(shop.database, tables.inbox) == 1
    await Inbox(relay.RECEIVERS["r"], shop.database).effects.prune()
    assert await count_of(shop.database, tables.inbox) == 0


async def test_relay_without_broker_and_receivers_says_so(shop) -> None:
    with pytest.raises(aldis.ConfigurationError, match="there is no broker, and no receiver either"):
        await relay.Relay(shop.database).pass_all()


async def test_postgresql_wakes_the_relay(shop) -> None:
    if shop.database.engine.dialect.name != "postgresql":
        pytest.skip("only PostgreSQL notifies")
    arrived = asyncio.Event()

    @relay.receiver(post_save, "User")
    async def receive(sender, instance):
        arrived.set()

    runner = relay.Relay(shop.database, poll=1000)
    running = asyncio.create_task(runner.run())
    await asyncio.sleep(1)  # it has looked, and found nothing
    await shop.User.query.create(name="Ada")
    await asyncio.wait_for(arrived.wait(), 120)
    runner.stop()
    await running
