"""The arguments of a receiver, and events that it cannot read."""

from __future__ import annotations

import dataclasses
import pickle
from datetime import UTC, date, datetime

import msgspec
import pytest
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import aldis
from aldis import relay
from aldis.relay.brokers.transport import header, unheader
from aldis.relay.receivers import Receiver
from aldis.signals import post_delete, post_save, post_update, pre_save


def event(**more):
    data = (
        b'{"instance":{"id":7,"name":"Ada","born":"1815-12-10"},"is_update":false,"is_migration":false,"row_count":1}'
    )
    given = {"id": "e.0", "sender": "User", "signal": "post_save", "key": "7", "version": 2, "time": 1.5, "data": data}
    return relay.Event(**{**given, "lane": 7, **more})


async def heard(function, signals=(post_save,), sender="User", message=None, **options):
    """Call a function with an event; return its result, or raise its exception."""
    relay.receiver(list(signals), sender, name="r", **options)(function)
    receiver: Receiver = relay.RECEIVERS["r"]
    return receiver.arguments(message or event())


async def test_receiver_gets_everything() -> None:
    def receive(sender, instance, **kwargs): ...

    instance = relay.Snapshot("User", {"id": 7, "name": "Ada", "born": "1815-12-10"})
    assert await heard(receive) == {
        "instance": instance,
        "event_id": "e.0",
        "signal": "post_save",
        "key": "7",
        "schema_version": 2,
        "time": 1.5,
        "column_values": dict(instance),
        "is_update": False,
        "is_migration": False,
        "row_count": 1,
    }


async def test_receiver_gets_what_it_names() -> None:
    async def receive(sender, instance, *, event_id): ...

    assert set(await heard(receive)) == {"instance", "event_id"}


async def test_both_kinds_of_functions_are_called() -> None:
    called = []

    @relay.receiver(post_save, "User", name="plain")
    def plain(sender, instance):
        called.append((sender, instance.name))

    @relay.receiver(post_save, "User", name="coroutine")
    async def coroutine(sender, instance):
        called.append((sender, instance.id))

    for each in relay.RECEIVERS.values():
        await each.call(event())
    assert called == [("User", "Ada"), ("User", 7)]


def test_snapshot_cannot_be_changed() -> None:
    user = relay.Snapshot("User", {"id": 7, "name": "Ada"})
    assert (user.id, user["name"], dict(user), len(user)) == (7, "Ada", {"id": 7, "name": "Ada"}, 2)
    assert pickle.loads(pickle.dumps(user)) == user
    assert len({user, relay.Snapshot("User", {"id": 7, "name": "Ada"})}) == 1
    for change in (
        lambda: setattr(user, "name", "x"),
        lambda: delattr(user, "name"),
        lambda: setattr(user, "_values", {}),
    ):
        with pytest.raises(AttributeError, match="a snapshot is what User was"):
            change()
    with pytest.raises(AttributeError, match="the snapshot of User has no 'nme': it has id, name"):
        user.nme  # noqa: B018


class UserStruct(msgspec.Struct, frozen=True):
    id: int
    born: date
    nickname: str | None = None


@dataclasses.dataclass(frozen=True)
class UserData:
    id: int
    name: str


async def test_annotation_of_instance_says_what_it_is() -> None:
    def struct(sender, instance: UserStruct): ...

    def data(sender, instance: UserData | None): ...

    assert (await heard(struct))["instance"] == UserStruct(7, date(1815, 12, 10))
    relay.RECEIVERS.clear()
    assert (await heard(data))["instance"] == UserData(7, "Ada")


async def test_model_class_gives_its_types() -> None:
    class Base(aldis.Model, DeclarativeBase): ...

    class User(Base):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True)
        born: Mapped[date]
        seen: Mapped[datetime | None]

    def receive(sender, instance): ...

    found = (await heard(receive, sender=User))["instance"]
    assert (found.id, found.born, found.seen) == (7, date(1815, 12, 10), msgspec.UNSET)
    assert type(found).__name__ == "UserSnapshot"
    with pytest.raises(AttributeError):
        found.id = 8


class OlderUser(msgspec.Struct, frozen=True):
    id: int
    email: str


async def test_event_of_a_schema_that_cannot_be_read_is_refused_clearly() -> None:
    def receive(sender, instance: OlderUser): ...

    with pytest.raises(
        relay.SchemaError,
        match="r, written for version 1, cannot read User of version 2: Object missing required field `email`",
    ):
        await heard(receive, version=1)


async def test_older_receiver_reads_what_it_can_of_a_newer_schema() -> None:
    def receive(sender, instance: UserData): ...

    data = b'{"instance":{"id":7,"name":"Ada","added_later":[1]},"row_count":1,"new_keyword":1}'
    assert (await heard(receive, version=1, message=event(version=3, data=data)))["instance"] == UserData(7, "Ada")


async def test_event_of_a_queryset_has_no_instance() -> None:
    def receive(sender, instance: UserData, column_values, row_count): ...

    message = event(signal="post_update", data=b'{"instance":null,"column_values":{"points":1},"row_count":3}')
    found = await heard(receive, signals=[post_update], message=message)
    assert found == {"instance": None, "column_values": {"points": 1}, "row_count": 3}


def test_receiver_that_cannot_be_is_refused() -> None:
    with pytest.raises(aldis.SignalError, match=r"requires 'instnce', which the signal never sends.* 'instance'"):

        @relay.receiver(post_save, "User")
        def misspelt(sender, instnce): ...

    with pytest.raises(aldis.SignalError, match="it requires 'column_values', which the signal never sends"):

        @relay.receiver(post_delete, "User")
        def wrong_signal(sender, column_values): ...

    with pytest.raises(aldis.SignalError, match="pre_save does not travel: post_save, post_update, post_delete do"):

        @relay.receiver(pre_save, "User")
        def early(sender, instance): ...

    with pytest.raises(aldis.ConfigurationError, match="retries is -1"):

        @relay.receiver(post_save, "User", retries=-1)
        def hasty(sender, instance): ...

    @relay.receiver(post_save, "User", name="same")
    def first(sender, instance): ...

    with pytest.raises(aldis.ConfigurationError, match=r"there is a receiver 'same' already, .*first: give this one"):

        @relay.receiver(post_save, "User", name="same")
        def second(sender, instance): ...


def test_attributes_are_those_of_cloudevents() -> None:
    attributes = event(key="Zoë", time=datetime(2026, 1, 2, 3, 4, 5, 250000, UTC).timestamp()).attributes()
    assert attributes == {
        "specversion": "1.0",
        "id": "e.0",
        "source": "aldis",
        "type": "aldis.User.post_save",
        "subject": "Zoë",
        "time": "2026-01-02T03:04:05.250000Z",
        "partitionkey": "Zoë",
        "schemaversion": "2",
        "lane": "7",
    }
    assert relay.Event.from_attributes(attributes, b"{}").attributes() == attributes


def test_message_of_somebody_else_is_refused() -> None:
    with pytest.raises(aldis.ConfigurationError, match="is no event of aldis.relay"):
        relay.Event.from_attributes({"type": "order.placed", "id": "1"}, b"{}")


@pytest.mark.parametrize("value", ["plain", "Zoë", "100 %", "a\nb", '["a",1]', ""])
def test_headers_carry_any_text(value) -> None:
    assert header(value).isascii()
    assert "\n" not in header(value)
    assert unheader(header(value)) == value
