"""An event: what a signal said, on its way to another machine, as JSON with the attributes of CloudEvents."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from ..errors import ConfigurationError

__all__ = ["LANES", "Event", "Snapshot", "encode", "events_of", "key_text", "lane_of"]

LANES: Final = 16
"""The parts that the events are dealt into, by instance key: those of one lane are passed on in order.

As many relays, and as many processes of one receiver, can share the work. It is the same everywhere, and for good: with
another number the events of a key would change their lane, and overtake each other.
"""

TYPE_PREFIX: Final = "aldis."
"""Of the CloudEvents attribute ``type``: ``aldis.User.post_save``."""

encode: Final[Callable[[Any], bytes]] = msgspec.json.Encoder(decimal_format="string").encode
"""Write JSON; what it can write is in msgspec's documentation, "Supported Types"."""


def key_text(key: Any) -> str:
    """Write the key of an instance: one column as it is, several as a JSON array.

    Example:
        >>> key_text(7), key_text("ada"), key_text([7, "ada"])
        ('7', 'ada', '[7,"ada"]')
    """
    if isinstance(key, str):
        return key
    return encode(key).decode().strip('"')


def lane_of(key: Any) -> int:
    """Return the lane of an instance's key.

    Example:
        >>> lane_of(17), lane_of("ada") == lane_of("ada")
        (1, True)
    """
    return key % LANES if type(key) is int else zlib.crc32(key_text(key).encode()) % LANES


class Snapshot(Mapping[str, Any]):
    """What an instance was when its signal was sent: its columns, by attribute name; nothing can be changed.

    The values are those of JSON. For Python's types, annotate the receiver's ``instance`` with a frozen
    ``msgspec.Struct`` or dataclass, or give the receiver the model class: see :func:`aldis.relay.snapshot`.

    Args:
        sender: The name of the model.
        values: The columns.

    Example:
        >>> user = Snapshot("User", {"id": 1, "name": "Ada"})
        >>> user.name, user["id"], user
        ('Ada', 1, User(id=1, name='Ada'))
    """

    __slots__ = ("_sender", "_values")

    def __init__(self, sender: str, values: Mapping[str, Any]) -> None:
        object.__setattr__(self, "_sender", sender)
        object.__setattr__(self, "_values", dict(values))

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(
                f"the snapshot of {self._sender} has no {name!r}: it has {', '.join(self._values)}"
            ) from None

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name!r} cannot be set: a snapshot is what {self._sender} was.")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{name!r} cannot be deleted: a snapshot is what {self._sender} was.")

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash((self._sender, encode(self._values)))

    def __repr__(self) -> str:
        return f"{self._sender}({', '.join(f'{name}={value!r}' for name, value in self._values.items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._sender, self._values)


class Event(msgspec.Struct, frozen=True):
    """One event.

    Example:
        >>> event = Event("3f.0", "User", "post_save", key="7", version=1, time=0.0, data=b"{}", lane=7)
        >>> event.attributes()["type"], event.attributes()["time"]
        ('aldis.User.post_save', '1970-01-01T00:00:00Z')
    """

    id: str
    """Unique, and the same however often the event is sent."""
    sender: str
    """The name of the model."""
    signal: str
    """The name of the signal."""
    key: str
    """The instance's primary key; empty for the signals of a queryset."""
    version: int
    """The version of the model's schema."""
    time: float
    """When it was recorded: seconds since 1970."""
    data: bytes
    """JSON: ``instance``, and the signal's keywords that travel."""
    lane: int
    """The lane of the key."""
    source: str = "aldis"
    """Where it comes from."""

    def attributes(self) -> dict[str, str]:
        """Return the attributes of CloudEvents 1.0, with two extensions: the lane, and the version of the schema.

        Source: the CloudEvents specification, "Context Attributes"; ``partitionkey`` is its "Partitioning" extension.
        """
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": f"{TYPE_PREFIX}{self.sender}.{self.signal}",
            "subject": self.key,
            "time": datetime.fromtimestamp(self.time, UTC).isoformat().replace("+00:00", "Z"),
            "partitionkey": self.key,
            "schemaversion": str(self.version),
            "lane": str(self.lane),
        }

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, str], data: bytes) -> Event:
        """Read an event that came from a broker.

        Args:
            attributes: The attributes of CloudEvents, without a prefix.
            data: Its body.

        Raises:
            ConfigurationError: It is none of ours.
        """
        try:
            sender, signal = attributes["type"].removeprefix(TYPE_PREFIX).rsplit(".", 1)
            return cls(
                id=attributes["id"],
                sender=sender,
                signal=signal,
                key=attributes.get("subject", ""),
                version=int(attributes["schemaversion"]),
                time=datetime.fromisoformat(attributes["time"]).timestamp(),
                data=data,
                source=attributes["source"],
                lane=int(attributes["lane"]),
            )
        except (KeyError, ValueError) as error:
            raise ConfigurationError(
                f"a message with the attributes {dict(attributes)!r} is no event of aldis.relay: {error!r}. Let "
                "nothing else publish to its subjects."
            ) from error


def events_of(row: Any, source: str) -> list[Event]:
    """Return the events of a row of the outbox, in order.

    Args:
        row: The row.
        source: What they say of where they come from.
    """
    rest: bytes = row.rest
    events = []
    keys, bodies = decode_keys(row.keys), decode_bodies(row.payload)
    for number, (key, body) in enumerate(zip(keys, bodies, strict=True)):
        data = b'{"instance":%b%b' % (body, rest) if rest else bytes(body)
        events.append(
            Event(
                f"{row.batch}.{number}",
                row.sender,
                row.signal,
                key_text(key),
                row.version,
                row.created_at,
                data,
                row.lane,
                source,
            )
        )
    return events


decode_keys: Final[Callable[[bytes], list[Any]]] = msgspec.json.Decoder(list[Any]).decode
decode_bodies: Final[Callable[[bytes], list[msgspec.Raw]]] = msgspec.json.Decoder(list[msgspec.Raw]).decode
