"""The far side: functions that are called with an event, on another machine or in another process."""

from __future__ import annotations

import asyncio
import inspect
import logging
import types
import typing
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from ..dispatch.on_request import CHANGES
from ..dispatch.receiver import accepts, describe, name_of_signal, refuse_unknown
from ..errors import AldisError, ConfigurationError, SignalError
from .event import TRAVELLING, Event, Snapshot, refuse_name
from .log_text import error_line, printable

if TYPE_CHECKING:
    from ..dispatch.signal import Signal
    from ..orm.database import Database

__all__ = ["RECEIVERS", "Receiver", "SchemaError", "receiver", "snapshot"]

F = TypeVar("F", bound=Callable[..., Any])

log: Final = logging.getLogger("aldis.relay")

RECEIVERS: Final[dict[str, Receiver]] = {}
"""The receivers of this process, by name."""

SENT: Final = ("instance", "event_id", "signal", "key", "schema_version", "time")
"""The keywords of every event, beside the sender; those of the signal come after them."""


MARGIN_SECONDS: Final = 1.0
"""A call that was cancelled after its patience may take so long to end."""

LONGEST_DELAY_SECONDS: Final = 60.0
"""Between two attempts."""


class SchemaError(AldisError):
    """An event that a receiver cannot read: the model's schema is not the one that it was written for."""


class ReceiverStoppedError(AldisError):
    """A receiver ended by an exception that would have ended the relay: it counts as a failure of the receiver."""


class EventData(msgspec.Struct):
    """The data of an event; the instance is decoded by each receiver, as its own type."""

    instance: msgspec.Raw
    column_values: dict[str, Any] | None = None
    is_update: bool | None = None
    is_migration: bool | None = None
    row_count: int | None = None
    changes: dict[str, list[Any]] | None = None


decode_data: Final = msgspec.json.Decoder(EventData).decode
decode_object: Final = msgspec.json.Decoder(dict[str, Any]).decode


def receiver(
    signal: Signal | Sequence[Signal],
    sender: str | type[Any],
    *,
    name: str | None = None,
    version: int | None = None,
    database: Database | None = None,
    retries: int = 5,
    backoff: float = 1.0,
    patience: float = 30.0,
) -> Callable[[F], F]:
    """Make a function a receiver of events, wherever they are recorded.

    It is called as ``(sender, instance, **kwargs)``: the sender's name, and a snapshot of the instance, which cannot be
    changed; then ``event_id``, ``signal``, ``key`` (the primary key, as text), ``schema_version``, ``time`` (seconds
    since 1970) and the signal's keywords that travel: ``column_values``, ``is_update``, ``is_migration``,
    ``row_count``. Where the signal is forwarded with ``changes=True``, a function that names ``changes`` gets it, too:
    ``[old, new]`` by attribute name. As any receiver, it may name only the parameters that it uses, and may be plain.

    Args:
        signal: The signal, or several: events of one instance come in their order, whichever signal they are of.
        sender: The model's name, or its class, where that can be imported: then ``instance`` has Python's types.
        name: The receiver's name, in the broker and in the tables. Two processes with a receiver of the same
            name share its events. ``module.function`` by default: give one before you rename the function.
        version: The version of the schema that it was written for, for the message about one that it cannot read.
        database: Where the receiver writes. Each event then has its effect once, in the transaction in which it is
            noted as received; one that fails is put aside, with those after it of the same key, and holds nobody up.
            Without one, an event may come twice, and is tried again on the spot.
        retries: How often an event is tried again, before it goes to the dead letters.
        backoff: Seconds before the first time; twice as long before each one after, a minute at most.
        patience: Seconds that one call may take. After that the call is cancelled, its transaction undone, and it
            counts as a failure. A process that has taken an event and is cut off from the network loses it to another
            one after about as long; on PostgreSQL its transaction is undone when it is silent for so long. A plain
            function cannot be cancelled: while it runs, nothing else of the process does.

    Raises:
        SignalError: The signal does not travel, or the function requires a parameter that is never sent.
        ConfigurationError: There is a receiver of that name, or the name cannot be used.

    Example:
        >>> from aldis import relay
        >>> from aldis.signals import post_save
        >>> @relay.receiver(post_save, "User", name="greeter")
        ... async def greet(sender, instance, event_id):
        ...     print(f"welcome, {instance.name}")
        >>> del relay.RECEIVERS["greeter"]
    """
    signals = signal if isinstance(signal, (list, tuple)) else [signal]

    def decorate(function: F) -> F:
        new = Receiver(
            function,
            [name_of_signal(each) for each in signals],
            sender,
            name,
            version,
            database,
            retries,
            backoff,
            patience,
        )
        if new.name in RECEIVERS:
            raise ConfigurationError(
                f"there is a receiver {new.name!r} already, {describe(RECEIVERS[new.name].function)}: give this one "
                "a name= of its own; to take several signals in order, give them to one receiver as a list."
            )
        RECEIVERS[new.name] = new
        return function

    return decorate


class Receiver:
    """A function that is called with events; the arguments are those of :func:`receiver`."""

    def __init__(
        self,
        function: Callable[..., Any],
        signals: Sequence[str],
        sender: str | type[Any],
        name: str | None,
        version: int | None,
        database: Database | None,
        retries: int,
        backoff: float,
        patience: float,
    ) -> None:
        for each in signals:
            if each not in TRAVELLING:
                raise SignalError(f"{each} does not travel: {', '.join(TRAVELLING)} do.")
        if retries < 0 or backoff < 0 or patience <= 0:
            raise ConfigurationError(
                f"retries is {retries}, backoff {backoff}, patience {patience}: numbers from 0, and patience above it."
            )
        self.function = function
        self.signals = tuple(signals)
        self.sender = sender if isinstance(sender, str) else sender.__name__
        self.name = name or describe(function)
        refuse_name("sender", self.sender)
        refuse_name("receiver", self.name)
        self.version = version
        self.database = database
        self.retries = retries
        self.backoff = backoff
        self.patience = patience
        self.description = inspect.getdoc(function)
        accepted = accepts(function)
        self.keywords = tuple(dict.fromkeys(name for each in signals for name in TRAVELLING[each]))
        """Those of the signals that travel."""
        sent = (*SENT, *self.keywords)
        on_request = (CHANGES,) if "is_update" in self.keywords else ()
        refuse_unknown(function, accepted, signals[0], (*sent, *on_request))
        named = {*sent, *on_request} & set(accepted.parameters)
        self.taken = frozenset({*sent, *named} if accepted.everything else named)
        self.type = type_of_instance(function) or (None if isinstance(sender, str) else snapshot(sender))
        self.read_instance = msgspec.json.Decoder(self.type).decode if self.type is not None else None

    def __repr__(self) -> str:
        return f"<Receiver {self.name!r} of {', '.join(self.signals)} from {self.sender}>"

    def arguments(self, event: Event) -> dict[str, Any]:
        """Return the function's arguments.

        Raises:
            SchemaError: It cannot read the event.
        """
        try:
            letter = decode_data(event.data)
            instance = self.instance_of(letter.instance, event)
        except (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError) as error:
            written_for = "" if self.version is None else f", written for version {self.version},"
            raise SchemaError(
                f"{self.name}{written_for} cannot read {event.sender} of version {event.version}: {error}. Let it name "
                "what it needs only, with defaults for what may be missing, or deploy a receiver for that version."
            ) from error
        sent = {
            "instance": instance,
            "event_id": event.id,
            "signal": event.signal,
            "key": event.key,
            "schema_version": event.version,
            "time": event.time,
            "column_values": letter.column_values,
            "is_update": letter.is_update,
            "is_migration": letter.is_migration,
            "row_count": letter.row_count,
        }
        if CHANGES in self.taken:
            sent[CHANGES] = letter.changes
            if letter.changes is None and letter.is_update is False:
                row = decode_object(letter.instance)
                sent[CHANGES] = {name: [None, value] for name, value in row.items() if value is not None}
        if "column_values" in self.taken and event.signal == "post_save" and letter.column_values is None:
            sent["column_values"] = decode_object(letter.instance)
        return {name: value for name, value in sent.items() if name in self.taken}

    def instance_of(self, written: msgspec.Raw, event: Event) -> Any:
        """Read the instance, as the type that the function asks for."""
        if bytes(written) == b"null":
            return None
        if self.read_instance is not None:
            return self.read_instance(written)
        return Snapshot(event.sender, decode_object(written))

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of the data that it reads, for the page that tells of it."""
        instance: dict[str, Any] = {"type": "object", "title": self.sender}
        if self.type is not None:
            # A type that JSON schema cannot describe is any object.
            written = msgspec.json.schema(self.type, schema_hook=lambda _type: {"type": "object"})
            instance = written.get("$defs", {}).get(written.get("$ref", "").rpartition("/")[2], written)
        kinds = {"column_values": "object", "row_count": "integer", CHANGES: "object"}
        names = (*self.keywords, *((CHANGES,) if CHANGES in self.taken else ()))
        told = {name: {"type": [kinds.get(name, "boolean"), "null"]} for name in names}
        return {"type": "object", "properties": {"instance": instance, **told}, "required": ["instance"]}

    async def call(self, event: Event, arguments: dict[str, Any] | None = None) -> None:
        """Call the function, for ``patience`` seconds at most.

        A receiver that ends by an exception which is no ``Exception`` must not end the relay with it, at each restart
        again: a ``CancelledError`` where nobody has cancelled this task, as of a task of its own that was cancelled,
        and a ``SystemExit`` count as failures.

        Args:
            event: The event.
            arguments: Those of :meth:`arguments`; by default they are read here.

        Raises:
            SchemaError: It cannot read the event.
            TimeoutError: The call took longer than ``patience``.
            ReceiverStoppedError: It raised something that is no ``Exception``.
            Exception: The function raised it.
        """
        task = asyncio.current_task()
        assert task is not None
        cancellations = task.cancelling()
        limit: asyncio.Timeout | None = None
        try:
            result = self.function(event.sender, **(self.arguments(event) if arguments is None else arguments))
            if isinstance(result, Awaitable):
                async with asyncio.timeout(self.patience) as limit:
                    await result
        except TimeoutError as error:
            if limit is not None and limit.expired():
                raise TimeoutError(f"the call took longer than patience={self.patience:g} seconds") from error
            raise
        except (asyncio.CancelledError, SystemExit, BaseExceptionGroup) as error:
            if isinstance(error, Exception) or task.cancelling() > cancellations:
                raise
            raise ReceiverStoppedError(f"{self.name} raised {error!r}, and nobody had cancelled it") from error

    def delay(self, attempts: int) -> float:
        """Return how many seconds to wait after so many attempts."""
        return min(self.backoff * 2.0 ** min(attempts - 1, 60), LONGEST_DELAY_SECONDS)

    @property
    def seconds(self) -> float:
        """How long an event may be under way here before the broker gives it to another process.

        Without a database all attempts are made on the spot; with one, the second attempt is the inbox's.
        """
        attempts = 1 if self.database is not None else self.retries + 1
        return attempts * self.patience + sum(map(self.delay, range(1, attempts))) + MARGIN_SECONDS

    def is_last(self, attempts: int, error: Exception) -> bool:
        """Tell whether an event goes to the dead letters: one that cannot be read today cannot be read tomorrow."""
        return attempts > self.retries or isinstance(error, SchemaError)

    async def persevere(self, event: Event, bury: Callable[[str, Event, str, int], Awaitable[None]]) -> None:
        """Call the function, and again where it raises: for a receiver without a database.

        Args:
            event: The event.
            bury: Takes an event to the dead letters.
        """
        attempts = 0
        while True:
            attempts += 1
            try:
                await self.call(event)
            except Exception as error:
                if self.is_last(attempts, error):
                    log.exception("%s gives event %s up after %d attempts", self.name, printable(event.id), attempts)
                    await bury(self.name, event, error_line(error), attempts)
                    return
                log.warning("%s raised at event %s: %s", self.name, printable(event.id), error_line(error))
                await asyncio.sleep(self.delay(attempts))
            else:
                return


def type_of_instance(function: Callable[..., Any]) -> Any:
    """Return the type that a function asks for as its ``instance``, if its annotation can be read."""
    target = function if inspect.isroutine(function) else type(function).__call__
    try:
        found = typing.get_type_hints(target).get("instance")
    except Exception:  # an annotation that only a type checker can resolve
        return None
    if isinstance(found, types.UnionType) or typing.get_origin(found) is typing.Union:
        some = [each for each in typing.get_args(found) if each is not type(None)]
        found = some[0] if len(some) == 1 else found
    if found in {None, Any, Snapshot, object}:
        return None
    if isinstance(found, type) and hasattr(found, "__mapper__"):
        return snapshot(found)
    return found


def snapshot(model: type[Any]) -> type[msgspec.Struct]:
    """Return the type of a model's snapshots: frozen, with its columns, in Python's types.

    An attribute that did not travel is ``msgspec.UNSET``.

    Args:
        model: The model class.

    Raises:
        ConfigurationError: It is not mapped.

    Example:
        >>> import aldis
        >>> from datetime import datetime
        >>> from aldis import relay
        >>> import sqlalchemy as sa
        >>> from sqlalchemy.orm import DeclarativeBase, mapped_column
        >>> class Base(aldis.Model, DeclarativeBase): ...
        >>> class Meeting(Base):
        ...     __tablename__ = "meeting"
        ...     id = mapped_column(sa.Integer, primary_key=True)
        ...     at = mapped_column(sa.DateTime)
        >>> relay.snapshot(Meeting)(id=1, at=datetime(2026, 1, 1))
        MeetingSnapshot(id=1, at=datetime.datetime(2026, 1, 1, 0, 0))
    """
    from ..orm.mapping.table import mapper_of

    fields = []
    for attribute in mapper_of(model).column_attrs:
        column = attribute.columns[0]
        try:
            kind: Any = column.type.python_type
        except NotImplementedError:
            kind = Any
        optional = kind if kind is Any else kind | None | msgspec.UnsetType
        fields.append((attribute.key, optional, msgspec.UNSET))
    return msgspec.defstruct(f"{model.__name__}Snapshot", fields, frozen=True, kw_only=True, module=model.__module__)
