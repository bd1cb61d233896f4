"""``session.execute(update(User)...)``, ``delete(User)`` and ``insert(User)``, with their signals."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import BindParameter, select
from sqlalchemy.engine import IteratorResult
from sqlalchemy.engine.result import SimpleResultMetaData

from ...context import current
from ...greenlets import wait_for
from ..mapping.table import is_listened, mapping_of
from ..meta import meta_of
from ..saving.delete import conditions_of
from ..saving.firing import are_heard, fire
from ..saving.strictness import is_strict, refuse_untold
from ..saving.update import counted
from .bulk_statements import BulkInsert, BulkUpdate
from .flush import Flush
from .row import is_flushing

if TYPE_CHECKING:
    from sqlalchemy import Delete, Insert, Update
    from sqlalchemy.engine import Result
    from sqlalchemy.orm import ORMExecuteState

    from ..mapping.table import TableMapping
    from ..queryset import QuerySet

__all__ = ["around_statement"]


class Skipped(IteratorResult[Any]):
    """What a statement returns that a receiver has skipped: no rows."""

    rowcount = 0


def skipped_result() -> Result[Any]:
    """Return the result of a statement that was skipped."""
    return Skipped(SimpleResultMetaData([]), iter(()))


def around_statement(state: ORMExecuteState) -> Result[Any] | None:
    """Run a statement on a model between its signals; ``None`` leaves it to SQLAlchemy."""
    mapper = state.bind_mapper
    if mapper is None or not is_listened(mapper.class_):
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
        state: What SQLAlchemy is about to run.
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
        return are_heard(self.signals, kind, self.model)

    def run(self, how: Callable[[Statement], Result[Any]]) -> Result[Any] | None:
        """Run it, if anybody listens; what is pending goes to the database first, as before any statement."""
        if not any(map(self.is_heard, self.kinds)):
            return None
        session = self.state.session
        if session.autoflush and self.state.execution_options.get("autoflush", True) and not is_flushing(session):
            session.flush()
        return how(self)

    def wait_for(self, work: Callable[[], Awaitable[None]], caller: object, named: Sequence[str] | None) -> None:
        """Run what fires the signals, in the session's transaction."""

        async def inside() -> None:
            async with self.flush.around():
                with current(caller, None, named):
                    await work()

        signals = [self.signals[f"{when}_{kind}"] for kind in self.kinds for when in ("pre", "post")]
        wait_for(inside(), (each for signal in signals for each in signal.receivers_for(self.model)))

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
    mapping.complete(column_values, mapping.onupdates)
    told = (queryset, None, values, column_values, True, False)
    asked = dict(column_values)

    async def before() -> None:
        nonlocal skipped
        skipped = await fire(self.signals, "pre_update", self.model, *told, None)
        mapping.refuse_unknown(column_values.keys())

    async def after() -> None:
        await fire(self.signals, "post_update", self.model, *told, row_count, skipped, None)

    self.wait_for(before, queryset, tuple(values))
    if skipped or not column_values:
        result = skipped_result()
    elif column_values.keys() >= asked.keys():
        result = self.state.invoke_statement(statement.values(by_attribute(self.model, mapping, column_values)))
    else:
        fresh = statement._generate()
        fresh._values = None
        result = self.state.invoke_statement(fresh.values(by_attribute(self.model, mapping, column_values)))
    row_count = counted(result)
    self.wait_for(after, queryset, tuple(values))
    return result


def by_attribute(model: type[Any], mapping: TableMapping, column_values: Mapping[str, Any]) -> dict[Any, Any]:
    """Return the values of a statement by the model's attributes."""
    return {getattr(model, mapping.attributes[key]): value for key, value in column_values.items()}


def values_of(mapping: TableMapping, statement: Update, parameters: Any) -> dict[str, Any]:
    """Return what an UPDATE writes, by attribute name, as its caller gave it."""
    given = dict(statement._values or ())
    given.update(getattr(statement, "_ordered_values", None) or ())
    return {**by_name(mapping, given), **(parameters or {})}


def by_name(mapping: TableMapping, given: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the values that a statement was given, by attribute name."""
    return {
        name_of(mapping, target): value.effective_value if isinstance(value, BindParameter) else value
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
    """Run an UPDATE of many rows, each by its primary key and with its own values, as ``bulk_update`` does."""
    bulk = BulkUpdate(self, "bulk_update", rows_of(self.state.parameters))
    return bulk.answer(bulk.write)


def insert(self: Statement) -> Result[Any]:
    """Run an INSERT, as ``bulk_create`` does: with the save signals of each row, if anybody listens to them."""
    statement: Insert = self.state.statement  # type: ignore[assignment]
    bulk = BulkInsert(self, statement, values_to_insert(mapping_of(self.model), statement, self.state.parameters))
    return bulk.answer(bulk.write if bulk.rows and self.is_heard("save") else None)


def values_to_insert(mapping: TableMapping, statement: Insert, parameters: Any) -> list[dict[str, Any]]:
    """Return the rows of an INSERT by attribute name, as its caller gave them; none, where a SELECT makes them."""
    if parameters:
        return [dict(each) for each in rows_of(parameters)]
    many = [dict(each) for group in statement._multi_values for each in group]
    if statement._values:
        many.append(dict(statement._values))
    return [by_name(mapping, each) for each in many]
