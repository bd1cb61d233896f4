"""Rows are written into the outbox, each in its transaction."""

from __future__ import annotations

import json
import uuid
from datetime import date
from decimal import Decimal

import msgspec
import pytest
from shops import recorded
from sqlalchemy import JSON, LargeBinary, Numeric, String, TypeDecorator, event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import aldis
from aldis import relay
from aldis.signals import post_bulk, post_delete, post_save, post_update, pre_save


def told(events):
    """Return signal, key and data of events."""
    return [(each.signal, each.key, json.loads(each.data)) for each in events]


ADA = {"id": 1, "name": "Ada", "mail": None, "born": "1815-12-10", "points": 0}


async def test_save_update_and_delete_are_recorded_in_order(shop) -> None:
    ada = await shop.User.query.create(name="Ada", born=date(1815, 12, 10))
    await ada.update(name="Ada L.")
    ada.points = 3
    await ada.save()
    await ada.delete()
    first = {"instance": ADA, "is_update": False, "is_migration": False, "row_count": 1}
    second = {**first, "instance": {**ADA, "name": "Ada L."}, "column_values": {"name": "Ada L."}, "is_update": True}
    third = {**second, "instance": {**ADA, "name": "Ada L.", "points": 3}, "column_values": {"points": 3}}
    found = told(await recorded(shop.database))
    assert [each[:2] for each in found] == [
        ("post_save", "1"),
        ("post_update", "1"),
        ("post_save", "1"),
        ("post_delete", "1"),
    ]
    assert found[0][2] == first
    assert found[1][2] == second
    assert found[2][2]["instance"] == third["instance"]
    assert found[2][2]["column_values"]["points"] == 3
    # A deleted row cannot be asked for more than the instance knows; since its INSERT it knows that mail is NULL.
    known = {"id": 1, "name": "Ada L.", "mail": None, "born": "1815-12-10", "points": 3}
    assert found[3][2] == {"instance": known, "row_count": 1}


async def test_rolled_back_transaction_leaves_no_event(shop) -> None:
    with pytest.raises(LookupError):
        async with shop.database.transaction():
            await shop.User.query.create(name="Ada")
            raise LookupError
    assert await recorded(shop.database) == []


async def test_rolled_back_savepoint_leaves_no_event(shop) -> None:
    async with shop.database.transaction():
        await shop.User.query.create(name="Ada")
        with pytest.raises(LookupError):
            async with shop.database.transaction():
                await shop.User.query.bulk_create([{"name": "Bob"}, {"name": "Eve"}])
                raise LookupError
    assert [json.loads(each.data)["instance"]["name"] for each in await recorded(shop.database)] == ["Ada"]


async def test_receiver_that_raises_later_leaves_no_event(shop) -> None:
    @shop.signals.post_save.connect_via(shop.User)
    def refuse(sender, instance):
        raise LookupError

    with pytest.raises(LookupError):
        await shop.User.query.bulk_create([{"name": "Ada"}])
    assert await recorded(shop.database) == []


async def test_bulk_save_costs_a_few_inserts(shop) -> None:
    statements = []
    event.listen(
        shop.database.engine.sync_engine,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, *_rest: statements.append(statement),
    )
    users = await shop.User.query.bulk_create([{"name": f"n{number}"} for number in range(5000)], batch_size=2500)
    mine = [each for each in statements if "aldis_outbox" in each]
    assert len(mine) == 2
    events = await recorded(shop.database)
    assert len(events) == 5000
    assert len({each.id for each in events}) == 5000
    assert {each.key for each in events} == {str(user.id) for user in users}
    names = {int(each.key): json.loads(each.data)["instance"]["name"] for each in events}
    assert names == {user.id: user.name for user in users}


async def test_events_of_a_key_are_in_one_lane_whatever_signal_they_are_of(shop) -> None:
    await shop.Place.query.bulk_create([{"shelf": "a", "number": number, "label": "x"} for number in range(40)])
    for place in await shop.Place.query.all():
        await place.update(label="y")
    lanes: dict[str, set[int]] = {}
    for each in await recorded(shop.database):
        lanes.setdefault(each.key, set()).add(each.lane)
    assert set(lanes) == {f'["a",{number}]' for number in range(40)}
    assert all(len(each) == 1 for each in lanes.values())
    assert len(set.union(*lanes.values())) > 4


async def test_flush_of_a_plain_session_is_recorded_in_its_transaction(shop) -> None:
    async with AsyncSession(shop.database.engine) as session:
        session.add_all([shop.User(name="Ada"), shop.User(name="Bob")])
        await session.flush()
        await session.rollback()
        session.add(shop.User(name="Eve"))
        await session.commit()
    events = told(await recorded(shop.database))
    assert [(signal, data["instance"]["name"]) for signal, _, data in events] == [("post_save", "Eve")]


async def test_what_is_skipped_or_changes_nothing_is_no_event(shop) -> None:
    @shop.signals.pre_save.connect_via(shop.User)
    def skip(sender, model_instance):
        if model_instance.name == "Bob":
            raise aldis.SkipOperation

    await shop.User.query.bulk_create([{"id": 1, "name": "Ada"}, {"id": 2, "name": "Bob"}, {"id": 3, "name": "Eve"}])
    await shop.User.query.bulk_create([{"id": 1, "name": "Ada"}, {"id": 4, "name": "Dan"}], ignore_conflicts=True)
    await shop.User.query.filter(name="Nobody").delete()
    assert sorted(each.key for each in await recorded(shop.database)) == ["1", "3", "4"]


async def test_what_a_queryset_does_is_one_event_without_an_instance(shop) -> None:
    await shop.User.query.bulk_create([{"name": "Ada"}, {"name": "Bob"}])
    before = len(await recorded(shop.database))
    await shop.User.query.update(points=5)
    await shop.User.query.update(points=shop.User.points + 1)
    await shop.User.query.delete()
    events = told(await recorded(shop.database))[before:]
    assert [each[:2] for each in events] == [("post_update", ""), ("post_update", ""), ("post_delete", "")]
    assert events[0][2]["instance"] is None
    assert events[0][2]["column_values"] == {"points": 5}
    assert events[1][2]["column_values"] == {}  # an expression means nothing elsewhere
    assert events[2][2] == {"instance": None, "row_count": 2}


@pytest.fixture
def base(tmp_path):
    class Base(aldis.Model, DeclarativeBase):
        database = aldis.Database(f"sqlite+aiosqlite:///{tmp_path}/own.db")

    return Base


async def make(base) -> None:
    async with base.database.engine.begin() as connection:
        await connection.run_sync(base.metadata.create_all)


async def test_types_travel_as_json(base) -> None:
    class Thing(base):
        __tablename__ = "thing"
        id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
        price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
        picture: Mapped[bytes] = mapped_column(LargeBinary)
        more: Mapped[dict] = mapped_column(JSON)

    relay.forward(post_save, Thing)
    await make(base)
    thing = await Thing.query.create(price=Decimal("1.20"), picture=b"\x00\xff", more={"a": [1, None]})
    (found,) = await recorded(base.database)
    assert found.key == str(thing.id)
    read = msgspec.json.decode(json.dumps(json.loads(found.data)["instance"]), type=relay.snapshot(Thing))
    assert (read.id, read.price, read.picture, read.more) == (thing.id, Decimal("1.20"), b"\x00\xff", {"a": [1, None]})
    await base.database.dispose()


class Loose(TypeDecorator):
    """Stores anything, as its repr."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return repr(value)


async def test_value_that_cannot_travel_undoes_the_save_and_says_which(base) -> None:
    class Odd:
        def __repr__(self) -> str:
            return "<odd>"

    class Thing(base):
        __tablename__ = "thing"
        id: Mapped[int] = mapped_column(primary_key=True)
        more: Mapped[object] = mapped_column(Loose)

    relay.forward(post_save, Thing)
    await make(base)
    with pytest.raises(aldis.ConfigurationError, match=r"Thing.more is <odd>, which cannot travel.*exclude=\['more'\]"):
        await Thing.query.create(more=Odd())
    assert await Thing.query.count() == 0
    await base.database.dispose()


async def test_fields_that_are_left_out_do_not_travel(base) -> None:
    class Account(base):
        __tablename__ = "account"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        password: Mapped[str]

    relay.forward(post_save, Account, exclude=["password"], version=3, name="shop.Account")
    await make(base)
    account = await Account.query.create(name="Ada", password="secret")
    account.password = "other"
    await account.save()
    events = await recorded(base.database)
    assert all(b"secret" not in each.data and b"other" not in each.data for each in events)
    assert {(each.sender, each.version) for each in events} == {("shop.Account", 3)}
    await base.database.dispose()


def test_what_cannot_be_forwarded_is_refused(base) -> None:
    class Account(base):
        __tablename__ = "account"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Unmapped(aldis.Model):
        pass

    with pytest.raises(aldis.SignalError, match="pre_save cannot be forwarded: what happened can, post_save"):
        relay.forward(pre_save, Account)
    with pytest.raises(aldis.SignalError, match="post_bulk cannot be forwarded"):
        relay.forward(post_bulk, Account)
    with pytest.raises(aldis.ConfigurationError, match=r"Account has no column 'nme' to forward: it has id\."):
        relay.forward(post_save, Account, exclude=["nme"])
    with pytest.raises(aldis.ConfigurationError, match="Unmapped is not mapped"):
        relay.forward(post_save, Unmapped)
    relay.forward(post_save, Account)
    relay.forward(post_save, Account)
    with pytest.raises(aldis.ConfigurationError, match="post_save of Account is forwarded already, with"):
        relay.forward(post_save, Account, version=2)
    assert len(list(post_save.receivers_for(Account))) == 1


async def test_without_the_tables_a_relay_says_what_to_do(base) -> None:
    with pytest.raises(aldis.ConfigurationError, match=r"no table aldis_delivery, .*relay\.create_tables\(database\)"):
        await relay.status(base.database)
    await base.database.dispose()


async def test_changes_travel_where_they_are_asked_for(monkeypatch) -> None:
    monkeypatch.setattr("aldis.relay.outbox.FORWARDED", {})

    class Base(aldis.Model, DeclarativeBase):
        database = aldis.Database("sqlite+aiosqlite://")

    class Account(Base):
        __tablename__ = "account"
        id: Mapped[int] = mapped_column(primary_key=True)
        mail: Mapped[str]
        name: Mapped[str | None]
        born: Mapped[date | None]
        password: Mapped[str]

    @relay.receiver([post_save, post_update], "Account", name="changes")
    def hear(sender, key, changes): ...

    @relay.receiver(post_save, "Account", name="everything")
    def hear_all(sender, **kwargs): ...

    relay.forward(post_save, Account, changes=True, exclude=["password"])
    relay.forward(post_update, Account, changes=True, exclude=["password"], when=aldis.changed("mail", "born"))
    async with Base.database as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        account, other = await Account.query.bulk_create(
            [{"mail": "a", "password": "x"}, {"mail": "b", "password": "y", "name": "B"}]
        )
        account.mail, account.password = "c", "z"
        await account.save()
        await other.update(name="C")
        await Account.query.bulk_update([{"id": 1, "mail": "c"}, {"id": 2, "born": date(1815, 12, 10)}])
        await Account.query.update(name="all")
        events = sorted(await recorded(database), key=lambda each: each.key)
    data = [json.loads(each.data) for each in events]
    assert [each.get("changes") for each in data] == [
        None,  # a new row, whose old values need not travel
        {"mail": ["a", "c"]},
        None,
        {"born": [None, "1815-12-10"]},
    ]
    by_name = [relay.RECEIVERS["changes"].arguments(each) for each in events]
    assert by_name == [
        {"key": "1", "changes": {"id": [None, 1], "mail": [None, "a"]}},
        {"key": "1", "changes": {"mail": ["a", "c"]}},
        {"key": "2", "changes": {"id": [None, 2], "mail": [None, "b"], "name": [None, "B"]}},
        {"key": "2", "changes": {"born": [None, "1815-12-10"]}},
    ]
    assert "changes" not in relay.RECEIVERS["everything"].arguments(events[0])
    with pytest.raises(aldis.ConfigurationError, match="forwarded already"):
        relay.forward(post_save, Account, exclude=["password"])
    with pytest.raises(aldis.SignalError, match="post_delete has no changes"):
        relay.forward(post_delete, Account, changes=True)
    relay.outbox.FORWARDED.pop(("post_save", Account))
    with pytest.raises(aldis.SignalError, match="Did you mean 'mail'"):
        relay.forward(post_save, Account, when=aldis.changed("mial"))
