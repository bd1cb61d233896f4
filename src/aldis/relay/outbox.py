"""The outbox: chosen signals, written down in the transaction of the rows that caused them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain, compress
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

import msgspec
from sqlalchemy import ClauseElement, func, insert, select, tuple_
from sqlalchemy.orm.attributes import instance_state

from ..dispatch.conditions import condition_of
from ..dispatch.on_request import CHANGES
from ..dispatch.receiver import name_of_signal, short_repr
from ..dispatch.records import Options
from ..errors import ConfigurationError, SignalError
from ..orm.mapping.table import mapping_of
from ..orm.meta import meta_of
from ..orm.transactions.ambient import open_transaction
from .event import LANES, TRAVELLING, encode, lane_of, refuse_name
from .tables import CHANNEL, add_tables, outbox

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from ..dispatch.batching import Batch
    from ..dispatch.conditions import Condition
    from ..dispatch.signal import Signal
    from ..orm.mapping.table import TableMapping

__all__ = ["FORWARDED", "forward"]

KEYS_AT_ONCE: Final = 500

UNWRITABLE: Final = (TypeError, ValueError, OverflowError, msgspec.MsgspecError)
"""The exceptions of msgspec at a value that JSON cannot write."""

FORWARDED: Final[dict[tuple[str, type[Any]], Forwarding]] = {}
"""The forwardings of this process, by signal and model."""


def forward(
    signal: Signal,
    model: type[Any],
    *,
    version: int = 1,
    name: str | None = None,
    fields: Collection[str] | None = None,
    exclude: Collection[str] = (),
    changes: bool = False,
    when: Callable[..., object] | None = None,
) -> None:
    """Write a signal of a model down in the outbox, in the transaction of the rows that caused it.

    A relay passes it on when that has committed. A bulk save costs a few INSERTs more, not one a row. The relay's
    tables are added to the model's metadata. To call it again with the same signal and model changes nothing.

    Args:
        signal: ``post_save``, ``post_update`` or ``post_delete``, the model's own where it has one.
        model: The model class.
        version: The version of its schema; raise it with a change that a receiver has to know of.
        name: The sender's name on the far side; the name of the class by default.
        fields: The attributes that travel; all columns by default.
        exclude: Those that do not.
        changes: Let old and new values of updated rows travel, as ``changes``: ``{"email": [old, new]}`` in JSON. Old
            values that are not loaded are read, with one SELECT a batch.
        when: Forward only the rows for which it holds: ``aldis.changed("email")``, or another condition of ``connect``.

    Raises:
        SignalError: The signal cannot travel, or has no changes.
        ConfigurationError: The model is not mapped, has no such attributes, or is forwarded differently already; or
            the name cannot be used.

    Example:
        >>> import aldis
        >>> from aldis import relay
        >>> from aldis.signals import post_save
        >>> import sqlalchemy as sa
        >>> from sqlalchemy.orm import DeclarativeBase, mapped_column
        >>> class Base(aldis.Model, DeclarativeBase):
        ...     database = aldis.Database("sqlite+aiosqlite://")
        >>> class Account(Base):
        ...     __tablename__ = "account"
        ...     id = mapped_column(sa.Integer, primary_key=True)
        ...     password = mapped_column(sa.Text)
        >>> relay.forward(post_save, Account, exclude=["password"])
        >>> "aldis_outbox" in Base.metadata.tables
        True
    """
    signal_name = name_of_signal(signal)
    if signal_name not in TRAVELLING:
        raise SignalError(
            f"{signal_name} cannot be forwarded: what happened can, {', '.join(TRAVELLING)}. To send something else, "
            "save a row that says it."
        )
    if changes and signal_name == "post_delete":
        raise SignalError("post_delete has no changes to forward: leave changes=True out.")
    condition = None if when is None else condition_of(when)
    new = Forwarding(signal_name, model, version, name or model.__name__, fields, exclude, changes, condition)
    known = FORWARDED.get((signal_name, model))
    if known is not None:
        if known.settings != new.settings:
            raise ConfigurationError(
                f"{signal_name} of {model.__name__} is forwarded already, with {known.settings}: now {new.settings}. "
                "Call relay.forward() once, where the model is declared."
            )
        return
    options = Options(batched=True, when=condition, asks="updates" if changes else "")
    signal._connect(new.record, model, False, options)
    FORWARDED[signal_name, model] = new
    add_tables(model.metadata)


class Forwarding:
    """One signal of one model that is forwarded; the arguments are those of :func:`forward`."""

    def __init__(
        self,
        signal: str,
        model: type[Any],
        version: int,
        name: str,
        fields: Collection[str] | None,
        exclude: Collection[str],
        changes: bool,
        when: Condition | None,
    ) -> None:
        self.signal = signal
        self.model = model
        self.version = version
        refuse_name("sender", name)
        self.name = name
        self.mapping: TableMapping = mapping_of(model)
        every = [attribute for attribute, _ in self.mapping.columns]
        unknown = sorted({*(fields or ()), *exclude} - set(every))
        if unknown:
            raise ConfigurationError(
                f"{model.__name__} has no column {', '.join(map(repr, unknown))} to forward: it has {', '.join(every)}."
            )
        self.names = tuple(each for each in every if (fields is None or each in fields) and each not in exclude)
        self.settings = {"version": version, "name": name, "fields": self.names}
        self.settings |= {"changes": True} if changes else {}
        self.settings |= {"when": when.function} if when is not None else {}
        self.tells_changes = changes
        self.key_of: Callable[[Any], Any] = itemgetter(*self.mapping.primary_key)
        """The primary key of a row, by column key: a tuple where it has several columns."""
        self.wanted = frozenset(self.names)
        self.width = len(every)
        self.is_plain = self.names == tuple(self.mapping.attributes) and len(self.names) == self.width
        """A whole row travels, by column key."""

    async def record(self, sender: Any, batch: Batch) -> None:
        """Write the rows of a batch into the outbox. A row that was skipped or not changed is no event."""
        columns = [batch.column(name) for name in ("model_instance", *TRAVELLING[self.signal], "operation_skipped")]
        if self.tells_changes:
            columns.insert(1, batch.column(CHANGES))
        skipped, counts = columns[-1], columns[-2]
        if True in skipped or 0 in counts:
            changed = [not skip and count != 0 for skip, count in zip(skipped, counts, strict=True)]
            columns = [[*compress(column, changed)] for column in columns]
        instances, *keywords = columns[:-1]
        changes = keywords.pop(0) if self.tells_changes else None
        if instances:
            if self.are_inserts(keywords):
                await self.insert(self.inserted_rows(instances, keywords))
            else:
                await self.insert(self.other_rows(instances, keywords, await self.missing(instances), changes))

    def are_inserts(self, keywords: Sequence[list[Any]]) -> bool:
        """Tell whether all rows are new, and the rest of their keywords is the same, as in a bulk save."""
        return (
            self.signal == "post_save"
            and True not in keywords[1]
            and all(len(set(column)) == 1 for column in keywords[2:])
        )

    def inserted_rows(self, instances: list[Any], keywords: Sequence[list[Any]]) -> Iterable[dict[str, Any]]:
        """Return the outbox's rows of new rows: only the columns are written, and once the keywords that all share."""
        rows, key_of = keywords[0], self.key_of
        if not self.is_plain or set(map(len, rows)) != {self.width}:
            contents = [
                self.row(column_values, instance) for column_values, instance in zip(rows, instances, strict=True)
            ]
        else:
            contents = rows
        keys = [*map(key_of, rows)]
        rest = dict(zip(TRAVELLING[self.signal][1:], (column[0] for column in keywords[1:]), strict=True))
        return self.by_lane(keys, contents, b"," + encode(rest)[1:])

    async def missing(self, instances: list[Any]) -> dict[Any, dict[str, Any]]:
        """Return the rows, by key, of the instances that do not know all that travels; none of deleted ones."""
        if self.signal == "post_delete":
            return {}
        states = [instance_state(each) for each in instances if each is not None]
        partial = [state.key[1] for state in states if state.key and not state.dict.keys() >= self.wanted]
        rows: dict[Any, dict[str, Any]] = {}
        primary = list(self.mapping.mapper.primary_key)
        columns = [self.mapping.mapper.columns[name] for name in self.names]
        for first in range(0, len(partial), KEYS_AT_ONCE):
            keys = partial[first : first + KEYS_AT_ONCE]
            same = tuple_(*primary).in_(keys) if len(primary) > 1 else primary[0].in_([*chain.from_iterable(keys)])
            statement = select(*primary, *columns).select_from(self.mapping.mapper.persist_selectable).where(same)
            for row in await self.connection().execute(statement):
                rows[tuple(row[: len(primary)])] = dict(zip(self.names, row[len(primary) :], strict=True))
        return rows

    def other_rows(
        self,
        instances: list[Any],
        keywords: Sequence[list[Any]],
        loaded: Mapping[Any, Mapping[str, Any]],
        changes: list[Any] | None,
    ) -> Iterable[dict[str, Any]]:
        """Return the outbox's rows of rows that were updated or deleted, and of a queryset's statements."""
        keys: list[Any] = []
        contents: list[dict[str, Any]] = []
        for number, (instance, *values) in enumerate(zip(instances, *keywords, strict=True)):
            rest = dict(zip(TRAVELLING[self.signal], values, strict=True))
            if changes is not None and rest["is_update"] and changes[number] is not None:
                rest[CHANGES] = {name: each for name, each in changes[number].items() if name in self.wanted}
            if "column_values" in rest:
                rest["column_values"] = self.plain(rest["column_values"])
            if instance is None:
                keys.append("")
                contents.append({"instance": None, **rest})
                continue
            state = instance_state(instance)
            assert state.key is not None
            identity: tuple[Any, ...] = state.key[1]
            keys.append(identity if len(identity) > 1 else next(iter(identity)))
            known = {**loaded.get(identity, {}), **state.dict}
            contents.append({"instance": {name: known[name] for name in self.names if name in known}, **rest})
        return self.by_lane(keys, contents, b"")

    def row(self, column_values: Mapping[str, Any], instance: Any) -> dict[str, Any]:
        """Return a new row by attribute name: a column that was not written has the database's value."""
        known = {**instance_state(instance).dict, **self.mapping.by_attribute(column_values)}
        return {name: known.get(name) for name in self.names}

    def plain(self, column_values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values that were written, by attribute name, without SQL expressions."""
        by_name = self.mapping.by_attribute(column_values)
        return {
            name: value
            for name, value in by_name.items()
            if name in self.names and not isinstance(value, ClauseElement) and not hasattr(value, "__clause_element__")
        }

    def by_lane(self, keys: list[Any], contents: list[Any], rest: bytes) -> Iterable[dict[str, Any]]:
        """Deal the events into lanes, and return a row for each."""
        dealt: dict[int, tuple[list[Any], list[Any]]] = {}
        for key, each in zip(keys, contents, strict=True):
            lane = key % LANES if type(key) is int else lane_of(key)
            if lane not in dealt:
                dealt[lane] = ([], [])
            of_lane = dealt[lane]
            of_lane[0].append(key)
            of_lane[1].append(each)
        now = round(time.time(), 6)
        for lane, (some, events) in sorted(dealt.items()):
            yield {
                "lane": lane,
                "sender": self.name,
                "signal": self.signal,
                "version": self.version,
                "batch": uuid.uuid4().hex,
                "count": len(some),
                "keys": encode(some),
                "payload": self.encoded(events),
                "rest": rest,
                "created_at": now,
            }

    def encoded(self, events: list[Any]) -> bytes:
        """Write events as JSON.

        Raises:
            ConfigurationError: One of them has a value that cannot be.
        """
        try:
            return encode(events)
        except UNWRITABLE:
            for each in events:
                values = {**each, **(each.get(CHANGES) or {})}
                values |= {**(each.get("instance") or {}), **(each.get("column_values") or {})}
                for name, value in values.items():
                    try:
                        encode(value)
                    except UNWRITABLE as error:
                        if name in self.names:
                            raise ConfigurationError(
                                f"{self.model.__name__}.{name} is {short_repr(value)}, which cannot travel as JSON "
                                f"({error}): leave it out with relay.forward({self.signal}, {self.model.__name__}, "
                                f"exclude=[{name!r}]), or forward a column that says it."
                            ) from error
            raise

    async def insert(self, rows: Iterable[dict[str, Any]]) -> None:
        """Insert into the outbox, in the transaction that is going on."""
        connection = self.connection()
        await connection.execute(NOTIFYING if connection.dialect.name == "postgresql" else INSERT, list(rows))

    def connection(self) -> AsyncConnection:
        """Return the connection of the transaction that is going on.

        Raises:
            ConfigurationError: It is not one of the model's database.
        """
        transaction = open_transaction(meta_of(self.model).database)
        if transaction is None:
            raise ConfigurationError(
                f"{self.signal} of {self.model.__name__} was sent outside of a transaction of its database: the outbox "
                "belongs to the transaction of the rows. Do not defer it, and send it from an operation of the model."
            )
        return transaction.connection


INSERT: Final = insert(outbox)

NOTIFYING: Final = INSERT.returning(func.pg_notify(CHANNEL, ""))
"""In the same trip, the relays are woken: when the transaction commits, and once (PostgreSQL's manual, "NOTIFY")."""
