"""``session.execute(update(User)...)``, ``delete(User)`` and ``insert(User)``, with their signals."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Alias, BindParameter, select
from sqlalchemy.engine import IteratorResult
from sqlalchemy.engine.result import SimpleResultMetaData

from ...context import current
from ...dispatch.row_receivers import LISTENED_TO
from ...errors import RefusedError
from ...greenlets import wait_for
from ..internals import is_flushing, rows_in, set_by, with_values
from ..mapping.table import is_listened, mapping_of
from ..meta import meta_of
from ..saving.delete import conditions_of
from ..saving.firing import are_heard, fire
from ..saving.firing_rows import fire_statement
from ..saving.row_refusals import heard_classes, refuse_key
from ..saving.strictness import is_strict, refuse_untold
from ..saving.update import counted
from .bulk_statements import BulkInsert, BulkUpdate
from .flush import Flush
from .row_statements import SessionRows, classes_to_tell, savepoint

if TYPE_CHECKING:
    from sqlalchemy import Delete, Insert, Update
    from sqlalchemy.engine import Result
    from sqlalchemy.orm import Mapper, ORMExecuteState

    from ..mapping.table import TableMapping
    from ..queryset import QuerySet

__all__ = ["around_statement"]

NONE: Final[Mapping[str, Any]] = {}
"""No parameters."""


class Skipped(IteratorResult[Any]):
    """The result of a statement that a receiver has skipped: no rows."""

    rowcount = 0


def skipped_result() -> Result[Any]:
    """Return the result of a statement that was skipped."""
    return Skipped(SimpleResultMetaData([]), iter(()))


def around_statement(state: ORMExecuteState) -> Result[Any] | None:
    """Run a statement on a model between its signals; ``None`` leaves it to SQLAlchemy."""
    mapper = state.bind_mapper
    if mapper is None or not (is_listened(mapper.class_) or (LISTENED_TO and is_heard_below(state, mapper))):
        return None
    model = mapper.class_
    if is_strict():
        refuse_if_untold(state, model)
    if state.is_delete:
        return Statement(state, model, "delete").run(delete)
    if state.is_update:
        if isinstance(state.parameters, Sequence):
            return Statement(state, model, "update", "bulk").run(update_by_key)
        return Statement(state, model, "update").run(update)
    if state.is_insert:
        return Statement(state, model, "save", "bulk").run(insert)
    return None


def is_heard_below(state: ORMExecuteState, mapper: Mapper[Any]) -> bool:
    """Tell whether a receiver hears each row of a class below one that nobody listens to."""
    kind = "update" if state.is_update else "delete" if state.is_delete else None
    return kind is not None and bool(heard_classes(mapper.class_, kind))


def refuse_if_untold(state: ORMExecuteState, model: type[Any]) -> None:
    """Refuse a statement in strict mode, if no signal tells of each of its rows.

    Raises:
        RefusedError: Somebody listens to the model.
    """
    if state.is_insert:
        statement = "INSERT" if getattr(state.statement, "select", None) is not None else None
    elif state.is_update:
        statement = None if isinstance(state.parameters, Sequence) else "UPDATE"
    else:
        statement = "DELETE" if state.is_delete else None
    if statement is not None:
        engine = state.session.get_bind(**state.bind_arguments).engine
        call = f"{statement.lower()}({model.__name__})" + (".from_select(...)" if statement == "INSERT" else "")
        refuse_untold(model, statement, call, engine)


class Statement:
    """One statement on a model.

    Args:
        state: SQLAlchemy's execution that is about to begin.
        model: The model.
        kinds: Of the signals that it may fire.
    """

    def __init__(self, state: ORMExecuteState, model: type[Any], *kinds: str) -> None:
        self.state = state
        self.model = model
        self.kinds = kinds
        self.signals = meta_of(model).signals
        self.flush = Flush(state.session, None, ())
        self.flush.listeners_of(model)

    def is_heard(self, kind: str) -> bool:
        """Tell whether anybody listens to the signals of a kind."""
        if are_heard(self.signals, kind, self.model):
            return True
        return bool(LISTENED_TO) and kind in {"update", "delete"} and bool(heard_classes(self.model, kind))

    @property
    def call(self) -> str:
        """The call, for messages."""
        return f"{'delete' if self.state.is_delete else 'update'}({self.model.__name__})"

    def run(self, how: Callable[[Statement], Result[Any]]) -> Result[Any] | None:
        """Run it, if anybody listens; pending changes go to the database first, as before any statement."""
        if not any(map(self.is_heard, self.kinds)):
            return None
        session = self.state.session
        if self.is_autoflushed and not is_flushing(session):
            session.flush()
        return how(self)

    @property
    def is_autoflushed(self) -> bool:
        """Tell whether pending changes are written before the statement."""
        return self.state.session.autoflush and bool(self.state.execution_options.get("autoflush", True))

    def wait_for(
        self,
        work: Callable[[], Awaitable[None]],
        caller: object,
        named: Sequence[str] | None,
        classes: Sequence[type[Any]] = (),
    ) -> None:
        """Run the work that fires the signals, of the model and of other classes, in the session's transaction."""
        for each in classes:
            self.flush.listeners_of(each)

        async def inside() -> None:
            async with self.flush.around():
                with current(caller, None, named):
                    await work()

        senders = [(self.model, self.signals), *((each, meta_of(each).signals) for each in classes)]
        names = [f"{when}_{kind}" for kind in self.kinds for when in ("pre", "post")]
        receivers = (
            each for model, signals in senders for name in names for each in signals[name].receivers_for(model)
        )
        wait_for(inside(), receivers)

    def counted(self, count: int) -> Result[Any]:
        """Return the result of a statement that returns no rows, and has written so many."""
        found = skipped_result()
        found.rowcount = count  # type: ignore[attr-defined]
        return found

    def queryset(self) -> QuerySet[Any]:
        """Return the rows that the statement is about."""
        from ..queryset import QuerySet

        where = getattr(self.state.statement, "whereclause", None)
        found = select(self.model)
        return QuerySet(self.model, found if where is None else found.where(where), self.flush.asynchronous)


def delete(self: Statement) -> Result[Any]:
    """Run a DELETE."""
    classes = classes_to_tell(self, "delete", {}, {}) if LISTENED_TO else ()
    if classes:
        return delete_told_rows(self, classes)
    queryset, injected, skipped = self.queryset(), list[Any](), False

    async def before() -> None:
        nonlocal skipped
        skipped = await fire(self.signals, "pre_delete", self.model, queryset, None, injected)

    async def after() -> None:
        await fire(self.signals, "post_delete", self.model, queryset, None, row_count, skipped)

    self.wait_for(before, queryset, None)
    statement: Delete = self.state.statement  # type: ignore[assignment]
    where = conditions_of(self.model, injected)
    result = skipped_result() if skipped else self.state.invoke_statement(statement.where(*where))
    row_count = counted(result)
    self.wait_for(after, queryset, None)
    return result


def update(self: Statement) -> Result[Any]:
    """Run an UPDATE of all rows that meet a condition."""
    statement: Update = self.state.statement  # type: ignore[assignment]
    mapping = mapping_of(self.model)
    queryset, skipped = self.queryset(), False
    values = values_of(mapping, statement, self.state.parameters)
    column_values = {mapping.keys[name]: value for name, value in values.items() if name in mapping.keys}
    if not isinstance(statement.table, Alias):  # of which SQLAlchemy makes no defaults
        mapping.complete(column_values, mapping.onupdates)
    classes = classes_to_tell(self, "update", values, column_values) if LISTENED_TO else ()
    if classes and column_values:
        return update_told_rows(self, classes, values, column_values)
    told = (queryset, None, values, column_values, True, False)
    asked = dict(column_values)

    async def before() -> None:
        nonlocal skipped
        skipped = await fire(self.signals, "pre_update", self.model, *told, None)
        mapping.refuse_unknown(column_values.keys())

    async def after() -> None:
        await fire(self.signals, "post_update", self.model, *told, row_count, skipped, None)

    self.wait_for(before, queryset, tuple(values))
    if skipped or (asked and not column_values):
        result = skipped_result()
    elif not column_values:  # SQLAlchemy has a word on an UPDATE that sets nothing, or no column of the mapping
        result = self.state.invoke_statement(statement)
    else:
        result = self.state.invoke_statement(with_values(statement, to_set(mapping, statement, column_values)))
    row_count = counted(result)
    self.wait_for(after, queryset, tuple(values))
    return result


def delete_told_rows(self: Statement, classes: Sequence[type[Any]]) -> Result[Any]:
    """Run a DELETE of rows of which receivers hear each one."""
    queryset, injected, rows = self.queryset(), list[Any](), None

    async def work() -> None:
        nonlocal rows
        async with savepoint(self):
            skipped = await fire_statement(self.signals, "pre_delete", self.model, queryset, None, injected)
            row_count: int | None = 0
            if not skipped:
                rows = SessionRows(self, "delete", classes, queryset, conditions_of(self.model, injected))
                row_count = await rows.run()
            await fire_statement(self.signals, "post_delete", self.model, queryset, None, row_count, skipped)

    self.wait_for(work, queryset, None, classes)
    return skipped_result() if rows is None else rows.answer()


def update_told_rows(
    self: Statement, classes: Sequence[type[Any]], values: dict[str, Any], column_values: dict[str, Any]
) -> Result[Any]:
    """Run an UPDATE of rows of which receivers hear each one."""
    mapping, queryset, rows = mapping_of(self.model), self.queryset(), None
    told = (queryset, None, values, column_values, True, False)

    async def work() -> None:
        nonlocal rows
        async with savepoint(self):
            skipped = await fire_statement(self.signals, "pre_update", self.model, *told, None)
            mapping.refuse_unknown(column_values.keys())
            refuse_key(mapping, self.call, classes, column_values)
            row_count: int | None = 0
            if not skipped and column_values:
                rows = SessionRows(self, "update", classes, queryset, (), values, column_values.copy())
                row_count = await rows.run()
            await fire_statement(self.signals, "post_update", self.model, *told, row_count, skipped, None)

    self.wait_for(work, queryset, tuple(values), classes)
    return skipped_result() if rows is None else rows.answer()


def to_set(mapping: TableMapping, statement: Update, column_values: Mapping[str, Any]) -> dict[Any, Any]:
    """Return the values that an UPDATE sets: each where its caller gave it, and then those that it did not give.

    Args:
        mapping: The mapping of its class.
        statement: The UPDATE.
        column_values: The values to write, by column key, without those that receivers took out.
    """
    rest = dict(column_values)
    found = {}
    for target, value in set_by(statement).items():
        key = mapping.keys.get(name_of(mapping, target))
        if key is None:
            found[target] = value
        elif key in rest:
            found[target] = rest.pop(key)
    model = mapping.mapper.class_
    return {**found, **{getattr(model, mapping.attributes[key]): value for key, value in rest.items()}}


def values_of(mapping: TableMapping, statement: Update, parameters: Any) -> dict[str, Any]:
    """Return the values that an UPDATE writes, by attribute name; its caller gave parameters by column key."""
    parameters = parameters or {}
    return {**by_name(mapping, set_by(statement), parameters), **mapping.by_attribute(mapping.own(parameters))}


def by_name(mapping: TableMapping, given: Mapping[Any, Any], parameters: Mapping[str, Any] = NONE) -> dict[str, Any]:
    """Return the values that a statement was given, by attribute name.

    Args:
        mapping: The mapping of its class.
        given: Its values, by attribute, column or name.
        parameters: The values of its parameters.
    """
    return {
        name_of(mapping, target): parameters.get(value.key, value.effective_value)
        if isinstance(value, BindParameter)
        else value
        for target, value in given.items()
    }


def name_of(mapping: TableMapping, target: Any) -> str:
    """Return the name of the attribute that a statement writes: it is given as one, as a column or by name."""
    if isinstance(target, str):
        return target
    key: str = getattr(target, "key", str(target))
    proxied: Any = getattr(target, "_annotations", {}).get("proxy_key")
    return proxied or mapping.attributes.get(key, key)


def rows_of(parameters: Any) -> list[Any]:
    """Return the parameters of a statement as a list, each of one row."""
    return [] if parameters is None else list(parameters) if isinstance(parameters, Sequence) else [parameters]


def update_by_key(self: Statement) -> Result[Any]:
    """Run an UPDATE of many rows, each by its primary key and with its own values, as ``bulk_update`` does.

    Where a row has no key, SQLAlchemy raises its own error.

    Raises:
        RefusedError: SQLAlchemy was told to write rows without their keys, of which receivers cannot be told.
    """
    bulk = BulkUpdate(self, "bulk_update", rows_of(self.state.parameters))
    if bulk.has_keys():
        return bulk.answer(bulk.write)
    if self.state.execution_options.get("dml_strategy") == "core_only" and self.is_heard("update"):
        raise RefusedError(
            f"{self.call} is refused: receivers of the update signals of {self.model.__name__} cannot be told of rows "
            "that are given without their primary keys (dml_strategy='core_only'). Give the keys, or run it in "
            "aldis.signals_disabled()."
        )
    return bulk.answer(None)


def insert(self: Statement) -> Result[Any]:
    """Run an INSERT, as ``bulk_create`` does: with the save signals of each row, if anybody listens to them."""
    statement: Insert = self.state.statement  # type: ignore[assignment]
    bulk = BulkInsert(self, statement, values_to_insert(mapping_of(self.model), statement, self.state.parameters))
    is_ours = bulk.rows and self.is_heard("save") and bulk.has_columns()
    return bulk.answer(bulk.write if is_ours else None)


def values_to_insert(mapping: TableMapping, statement: Insert, parameters: Any) -> list[dict[str, Any]]:
    """Return the rows of an INSERT by attribute name, as its caller gave them; none, where a SELECT makes them."""
    if parameters:
        return [dict(each) for each in rows_of(parameters)]
    return [by_name(mapping, each) for each in rows_in(statement)]
