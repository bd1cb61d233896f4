"""An example is performed on a side, and its outcome is read: rows, instances, events and error."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import inspect, select
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer, with_polymorphic
from sqlalchemy.orm.exc import DetachedInstanceError

import aldis
from aldis import signals

from .calls import CALLS
from .examples import Example
from .names import evaluate
from .pairs import Court, Pair, Side

__all__ = ["UNLOADED", "Outcome", "Play", "Refused", "Trial", "perform"]

UNLOADED = "(not loaded)"


class Refused(Exception):
    """The error of a receiver that raises."""


@dataclass
class Outcome:
    """The visible effects of a call when it is over, by the tags of the rows."""

    error: BaseException | None = None
    stored: dict[int, dict[str, str | None]] = field(default_factory=dict)
    """Texts of the columns, as another connection reads them; of two rows with one tag, those of the last key."""
    instances: dict[int, dict[str, str]] = field(default_factory=dict)
    """The result of reading each attribute; "(key)" and "(modified)" are SQLAlchemy's state."""
    events: dict[int, list[str]] = field(default_factory=dict)
    heard: dict[int, list[str]] = field(default_factory=dict)
    """The receivers' calls."""
    tags: list[int] = field(default_factory=list)
    """The tag of each stored row."""

    def mro(self) -> list[str]:
        """Return the names of the error's class and its bases."""
        return [] if self.error is None else [base.__name__ for base in type(self.error).__mro__]


@dataclass
class Play:
    """An example on one side."""

    court: Court
    side: Side
    example: Example
    instances: dict[int, Any] = field(default_factory=dict)
    heard: list[tuple[str, Any]] = field(default_factory=list)
    """The receivers' calls, with the instance."""
    flushes_each: bool = False
    """A plain session flushes each row by itself."""

    @property
    def tags(self) -> range:
        return range(len(self.example.rows))

    def model(self, tag: int) -> Any:
        return self.side.names[self.example.rows[tag].model]

    def evaluate(self, source: str, tag: int) -> Any:
        return evaluate(source, self.side.names, tag)

    def values(self, tag: int) -> dict[str, Any]:
        """Return the attributes of a new row."""
        row = self.example.rows[tag]
        cells = row.cells
        if CALLS[self.example.call].stored == "half":
            cells = {**cells, **{name: value for name, value in row.changes.items() if name != self.example.lookup}}
        return {"tag": tag, **{name: self.evaluate(source, tag) for name, source in cells.items()}}

    def changes(self, tag: int) -> dict[str, Any]:
        """Return the values that a stored row is changed to."""
        return {name: self.evaluate(source, tag) for name, source in self.example.rows[tag].changes.items()}

    def new(self, tag: int) -> Any:
        """Return a new instance of a row."""
        self.instances[tag] = instance = self.model(tag)(**self.values(tag))
        return instance

    def changed(self, tag: int, *, in_place: bool = True) -> Any:
        """Return the instance of a stored row, changed; its mutable values in place too."""
        instance = self.instances[tag]
        for name, value in self.changes(tag).items():
            setattr(instance, name, value)
        if in_place and hasattr(instance, "touch"):
            instance.touch()
        return instance

    # The receivers' actions; a plain session does the same at the same moments.

    def before(self, instance: Any, sender: Any = None) -> bool:
        """Do as a receiver of a ``pre_*`` signal; return False where it skips the row."""
        self.note("pre", instance, sender)
        action, _, attribute = self.example.receivers.partition(" ")
        if action == "set" and instance is not None:
            setattr(instance, attribute, self.evaluate(self.example.set_to, instance.tag))
        return not (action == "skip" and getattr(instance, "tag", None) == 0)

    def after(self, instance: Any, sender: Any = None) -> None:
        """Do as a receiver of a ``post_*`` signal."""
        self.note("post", instance, sender)
        if self.example.receivers == "raise" and getattr(instance, "tag", None) == len(self.tags) - 1:
            raise Refused

    def note(self, when: str, instance: Any, sender: Any) -> None:
        if self.example.receivers and instance is not None:
            model = type(instance) if sender is None else sender
            self.heard.append((f"{when} {model.__name__}", instance))

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Connect the receivers to the classes of this side."""
        if not self.example.receivers:
            yield
            return

        async def pre(sender, model_instance):
            if not self.before(model_instance, sender):
                raise aldis.SkipOperation

        async def post(sender, model_instance, operation_skipped, row_count):
            # A row that was passed over because of a conflict is told of with no row; a session does not tell.
            is_passed_over = row_count == 0 and self.example.call == "bulk_create_ignore"
            if not operation_skipped and not is_passed_over:
                self.after(model_instance, sender)

        models = [self.side.names[name] for name in self.example.spec.classes.models]
        connections = [
            (getattr(signals, f"{when}_{kind}"), receiver, model)
            for kind in ("save", "update", "delete")
            for when, receiver in (("pre", pre), ("post", post))
            for model in models
        ]
        for signal, receiver, model in connections:
            signal.connect(receiver, model)
        try:
            yield
        finally:
            for signal, receiver, model in connections:
                signal.disconnect(receiver, model)

    # The doings of a plain session.

    def session(self) -> AsyncSession:
        return AsyncSession(self.court.plain, expire_on_commit=False)

    async def add(self, instances: list[Any]) -> None:
        """Write instances, new or changed, as a plain session does."""
        taken = [instance for instance in instances if self.before(instance)]
        async with self.session() as session:
            for part in [[instance] for instance in taken] if self.flushes_each else [taken]:
                session.add_all(part)
                await session.flush()
            for instance in taken:
                self.after(instance)
            await session.commit()

    async def find_or_add(self, session: AsyncSession, tag: int, *, updates: bool) -> Any:
        """Find the row of a tag and update it, or add it, each in a savepoint."""
        model, values, lookup = self.model(tag), self.values(tag), self.example.lookup
        statement = select(model).where(getattr(model, lookup) == values[lookup])
        found = (await session.scalars(statement)).one_or_none()
        if found is None:
            found = model(**values)
            if not self.before(found):
                return None
            async with session.begin_nested():
                session.add(found)
                await session.flush()
            self.after(found)
        elif updates:
            for name, value in values.items():
                if name != lookup:
                    setattr(found, name, value)
            self.before(found)
            async with session.begin_nested():
                await session.flush()
            self.after(found)
        return found

    async def prepare(self, side: Side) -> None:
        """Store the rows through plain classes, and load them as detached instances of this side."""
        async with self.session() as session:
            names = side.names
            for tag, row in enumerate(self.example.rows):
                if CALLS[self.example.call].stored == "all" or tag % 2 == 0:
                    values = {name: evaluate(text, names, tag) for name, text in row.cells.items()}
                    instance = names[row.model](tag=tag, **values)
                    if self.example.spec.tables.makes_no_keys:
                        instance.id = tag + 1
                    session.add(instance)
            await session.commit()
        async with self.session() as session:
            found = await session.scalars(select(self.side.base).where(self.side.base.tag >= 0))
            self.instances = {instance.tag: instance for instance in found}


def text_of(value: Any) -> str:
    """Return a value and its class as text."""
    if hasattr(value, "__clause_element__") or hasattr(value, "compile"):
        return "(SQL)"
    return f"{type(value).__name__} {value!r}"


def read(instance: Any, attribute: str) -> str:
    """Return the result of reading an attribute, as text."""
    state = inspect(instance)
    if state.session is not None and attribute in state.expired_attributes:  # a read would open a connection, in vain
        return UNLOADED
    try:
        return text_of(getattr(instance, attribute))
    except (DetachedInstanceError, InvalidRequestError):
        return UNLOADED
    except Exception as error:
        return f"({type(error).__name__})"


def seen(example: Example, instance: Any) -> dict[str, str]:
    """Return the visible state of an instance."""
    state = inspect(instance)
    key = None if state.key is None else f"{state.key[0].__name__} {state.key[1]!r}"
    attributes = [*example.spec.classes.attributes, "tag", *example.spec.columns]
    return {
        "(key)": str(key),
        "(modified)": str(state.modified),
        **{attribute: read(instance, attribute) for attribute in attributes if hasattr(type(instance), attribute)},
    }


async def outcome_of(play: Play, call: Any) -> Outcome:
    """Make the call, and look at rows and instances afterwards."""
    play.side.events.clear()
    outcome = Outcome()
    try:
        async with asyncio.timeout(300):
            await call(play)
    except Exception as error:
        outcome.error = error
    events, heard = list(play.side.events), list(play.heard)
    stored = await play.court.stored(play.side)
    outcome.stored, outcome.tags = dict(stored), sorted(tag for tag, _ in stored)
    outcome.instances = {tag: seen(play.example, instance) for tag, instance in play.instances.items()}
    for found, by_tag in ((events, outcome.events), (heard, outcome.heard)):
        for name, instance in found:
            by_tag.setdefault(inspect(instance).dict.get("tag", -1), []).append(name)
    return outcome


async def outcome_of_ours(play: Play, call: Any) -> Outcome:
    """Make the call of aldis, whose receivers listen meanwhile."""
    with play.listening():
        return await outcome_of(play, call.ours)


async def fresh(play: Play, side: Side) -> dict[int, dict[str, str]]:
    """Return a new SELECT's value for each attribute, through plain classes; nothing, where a row cannot be read."""
    async with play.session() as session:
        whole = with_polymorphic(side.base, "*")
        keys = side.base.__table__.primary_key
        statement = select(whole).where(whole.tag >= 0).order_by(*keys).options(undefer("*"))
        try:
            found = (await session.scalars(statement)).all()
        except Exception:
            return {}
        return {instance.tag: seen(play.example, instance) for instance in found}


@dataclass
class Trial:
    """Both outcomes of an example."""

    example: Example
    ours: Outcome
    theirs: Outcome
    fresh: dict[int, dict[str, str]]
    """A new SELECT's values of the rows that aldis stored."""
    is_self_check: bool
    one_by_one: set[str]
    """The errors' classes when a plain session writes each row alone, where the two calls raised different ones."""
    flushed_each: Outcome | None = None
    """SQLAlchemy's outcome where the session flushes each row by itself, on psycopg and a table of other types.

    There SQLAlchemy has two answers itself. It casts the values of many rows to the class's types (``p0::NUMERIC(10, 2)
    FROM (VALUES ...)``), and not the values of one row: 1.005 is 1.01 in a DOUBLE PRECISION of two rows, and 1.005 in
    that of one. aldis stores of many rows what it stores of one.
    """


async def perform(court: Court, example: Example, *, is_self_check: bool = False) -> Trial | None:
    """Perform an example on both sides; None where its rows cannot be prepared.

    Args:
        court: The databases.
        example: The example.
        is_self_check: A plain session stands in for aldis.
    """
    pair: Pair = await court.pair(example.spec)
    call = CALLS[example.call]
    if example.spec.tables.alter is not None:
        # The connections, and the facts kept about the table, have served before.
        await court.empty(pair)
        if await prepared(court, pair, example, pair.ours) is None:
            return None
        with Play(court, pair.ours, example).listening():
            await outcome_of(Play(court, pair.ours, example), CALLS["bulk_create"].ours)
        await court.alter(pair)
    await court.empty(pair)
    side = pair.shadow if is_self_check else pair.ours
    plays = await prepared(court, pair, example, side)
    if plays is None:
        return None
    ours, theirs = plays
    if is_self_check:
        first = await outcome_of(ours, call.theirs)
    else:
        first = await outcome_of_ours(ours, call)
        if "InvalidCachedStatementError" in str(first.error) and example.spec.tables.alter is not None:
            # asyncpg refuses each statement once that a connection has prepared before, SQLAlchemy's too.
            await court.empty(pair)
            plays = await prepared(court, pair, example, side)
            if plays is None:
                return None
            ours, theirs = plays
            first = await outcome_of_ours(ours, call)
    second = await outcome_of(theirs, call.theirs)
    alone: set[str] = set()
    if is_of_two_errors(first, second) and len(example.rows) > 1:
        alone = await errors_alone(court, pair, example)
    is_unread = any(UNLOADED in instance.values() for instance in second.instances.values())
    is_unread = is_unread or example.spec.tables.makes_keys  # INSERT's values may be another row's
    again = await fresh(ours, pair.shadow) if is_unread and first.error is None else {}
    flushed_each = None
    if court.driver == "psycopg" and example.spec.tables.has_other_types and len(example.rows) > 1:
        await court.empty(pair)
        plays = await prepared(court, pair, example, side)
        if plays is not None:
            flushed_each = await outcome_of(replace(plays[1], flushes_each=True), call.theirs)
    return Trial(example, first, second, again, is_self_check, alone, flushed_each)


def is_of_two_errors(ours: Outcome, theirs: Outcome) -> bool:
    return None not in {ours.error, theirs.error} and type(ours.error) is not type(theirs.error)


async def prepared(court: Court, pair: Pair, example: Example, side: Side) -> tuple[Play, Play] | None:
    """Return both sides with their rows stored and loaded; None where they cannot be."""
    ours, theirs = Play(court, side, example), Play(court, pair.theirs, example)
    if CALLS[example.call].stored != "none":
        try:
            await ours.prepare(pair.shadow)
            await theirs.prepare(pair.theirs)
        except Exception:
            return None
    return ours, theirs


async def errors_alone(court: Court, pair: Pair, example: Example) -> set[str]:
    """Return the names of the errors' classes when a plain session writes each row by itself, and of receivers."""
    found = {"Refused"} if example.receivers == "raise" else set()
    for row in {repr(row): row for row in example.rows}.values():
        for name in {example.call, "save"}:
            await court.empty(pair)
            alone = replace(example, call=name, rows=(row,), receivers="hear")
            plays = await prepared(court, pair, alone, pair.ours)
            if plays is not None:
                found.add(type((await outcome_of(plays[1], CALLS[name].theirs)).error).__name__)
    return found
