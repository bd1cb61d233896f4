"""An event: the keywords of one signal as JSON, with the attributes of CloudEvents, as it travels between machines."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from ..errors import AldisError, ConfigurationError
from .log_text import printable

__all__ = [
    "LANES",
    "LONGEST_NAME",
    "TRAVELLING",
    "Event",
    "Snapshot",
    "UnsendableError",
    "encode",
    "events_of",
    "key_text",
    "lane_of",
]

LANES: Final = 16
"""The parts that the events are dealt into, by instance key: those of one lane are passed on in order.

As many relays, and as many processes of one receiver, can share the work. It is the same everywhere, and for good: with
another number the events of a key would change their lane, and overtake each other.
"""

TRAVELLING: Final[Mapping[str, tuple[str, ...]]] = {
    "post_save": ("column_values", "is_update", "is_migration", "row_count"),
    "post_update": ("column_values", "is_update", "is_migration", "row_count"),
    "post_delete": ("row_count",),
}
"""The signals that can be forwarded, and which of their keywords travel with the instance."""

TYPE_PREFIX: Final = "aldis."
"""The beginning of the CloudEvents attribute ``type``: ``aldis.User.post_save``."""

LONGEST_ID: Final = 48
"""Characters of an event's id: the column of the inbox holds as many."""

LONGEST_NAME: Final = 200
"""Characters of a sender's and of a receiver's name: their columns hold as many."""

LONGEST_TEXT: Final = 65_536
"""Characters of a key or of a source that a message may have."""

encode: Final[Callable[[Any], bytes]] = msgspec.json.Encoder(decimal_format="string").encode
"""Write JSON, of the types that msgspec supports (its documentation, "Supported Types")."""


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
    """An instance as it was when its signal was sent: its columns, by attribute name; nothing can be changed.

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


class UnsendableError(AldisError):
    """A row of the outbox that can never be passed on: nobody can read it, or the broker does not take its events."""


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

        Everybody who may publish there can have written it, so each attribute is checked: an event that is returned
        can be noted in the inbox, logged, and published again as a dead letter.

        Args:
            attributes: The attributes of CloudEvents, without a prefix.
            data: The body.

        Raises:
            ConfigurationError: An attribute is missing, is no text, or has a value that no event of ours has.
        """
        sender, signal = type_of(attributes)
        return cls(
            id=text_of(attributes, "id", LONGEST_ID, ID),
            sender=sender,
            signal=signal,
            key=text_of(attributes, "subject", LONGEST_TEXT) if "subject" in attributes else "",
            version=number_of(attributes, "schemaversion", 2**31 - 1),
            time=time_of(attributes),
            data=bytes(data),
            source=text_of(attributes, "source", LONGEST_TEXT),
            lane=number_of(attributes, "lane", LANES - 1),
        )


ID: Final = re.compile(r"[!-~]+")
"""An event's id: ASCII without blanks and control characters, which every database and every broker takes."""

NUMBER: Final = re.compile(r"-?[0-9]{1,10}")


def foreign(name: str, attributes: Mapping[str, Any], reason: str) -> ConfigurationError:
    """Return the error of a message whose attribute of that name is wrong."""
    given = printable(repr(attributes[name])) if name in attributes else "missing"
    return ConfigurationError(
        f"a message is no event of aldis.relay: its attribute {name} is {given}, {reason}. Let nothing else publish to "
        "its subjects."
    )


def text_of(attributes: Mapping[str, Any], name: str, longest: int, pattern: re.Pattern[str] | None = None) -> str:
    """Return an attribute that is a text.

    Raises:
        ConfigurationError: It is missing, no text, too long, or does not match the pattern.
    """
    value = attributes.get(name)
    if not isinstance(value, str):  # AMQP's headers have types, and others may have been given
        raise foreign(name, attributes, "and has to be a text")
    if len(value) > longest:
        raise foreign(name, attributes, f"longer than {longest} characters")
    if pattern is not None and pattern.fullmatch(value) is None:
        raise foreign(name, attributes, f"and has to match {pattern.pattern}")
    if any("\ud800" <= each <= "\udfff" for each in value) and not value.isascii():
        raise foreign(name, attributes, "which is no valid UTF-8")
    return value


def number_of(attributes: Mapping[str, Any], name: str, largest: int) -> int:
    """Return an attribute that is a whole number, written as a text.

    Raises:
        ConfigurationError: It is missing, no number, or too large.
    """
    number = int(text_of(attributes, name, 11, NUMBER))
    if not (0 if name == "lane" else -largest) <= number <= largest:
        raise foreign(name, attributes, f"and has to be at most {largest}")
    return number


def type_of(attributes: Mapping[str, Any]) -> tuple[str, str]:
    """Return the sender and the signal that the attribute ``type`` names.

    Raises:
        ConfigurationError: It names none.
    """
    written = text_of(attributes, "type", len(TYPE_PREFIX) + LONGEST_NAME + 41)
    prefix, (sender, _, signal) = written[: len(TYPE_PREFIX)], written[len(TYPE_PREFIX) :].rpartition(".")
    if prefix != TYPE_PREFIX or not sender or not sender.isprintable() or signal not in TRAVELLING:
        raise foreign(
            "type", attributes, f"and has to be {TYPE_PREFIX}SENDER.SIGNAL, SIGNAL one of {', '.join(TRAVELLING)}"
        )
    return sender, signal


def time_of(attributes: Mapping[str, Any]) -> float:
    """Return the attribute ``time`` in seconds since 1970.

    Raises:
        ConfigurationError: It is no time, or one that UTC has no date for.
    """
    written = text_of(attributes, "time", 64)
    try:
        return datetime.fromisoformat(written).astimezone(UTC).timestamp()
    except (ValueError, OverflowError) as error:
        raise foreign("time", attributes, "and has to be a time as RFC 3339 writes it") from error


def events_of(row: Any, source: str) -> list[Event]:
    """Return the events of a row of the outbox, in order.

    Args:
        row: The row.
        source: The CloudEvents attribute of that name: where the events come from.

    Raises:
        UnsendableError: The row was not written by :func:`aldis.relay.forward`.
    """
    rest: bytes = row.rest
    events = []
    try:
        pairs = [*zip(decode_keys(row.keys), decode_bodies(row.payload), strict=True)]
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise UnsendableError(f"its keys or its events cannot be read ({error})") from error
    if not pairs:
        raise UnsendableError("it has no event")
    for number, (key, body) in enumerate(pairs):
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


def refuse_name(kind: str, name: str) -> None:
    """Refuse a name of a sender or a receiver that brokers or tables cannot hold.

    Args:
        kind: ``"sender"`` or ``"receiver"``.
        name: The name.

    Raises:
        ConfigurationError: The name is too long, has blanks around it or control characters, or is reserved.

    Example:
        >>> refuse_name("receiver", "shop.mail")
        >>> refuse_name("receiver", "dead")
        Traceback (most recent call last):
        aldis.errors.ConfigurationError: the receiver's name 'dead' is reserved for dead letters: give it another name=.
    """
    if name == "dead":
        raise ConfigurationError(f"the {kind}'s name {name!r} is reserved for dead letters: give it another name=.")
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable() or name.strip() != name:
        raise ConfigurationError(
            f"the {kind}'s name {printable(repr(name))} cannot be used: give it a name= of 1 to {LONGEST_NAME} "
            "printable characters, without blanks around it."
        )
