"""``session.execute(update(User)...)`` and ``delete(User)`` of rows that receivers hear one by one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import Alias, ColumnElement, false, tuple_
from sqlalchemy.orm.util import LoaderCriteriaOption

from ..internals import is_flushing, returned_by, set_by, where_of, with_values, without_flush, without_where
from ..mapping.table import mapping_of
from ..saving.row_batches import Key, Parameters, RowBatches, Rows, take_write_lock
from ..saving.row_refusals import heard_classes, reason_against, refuse, refuse_key
from .pending import Pending

if TYPE_CHECKING:
    from sqlalchemy import Connection, Dialect, Select
    from sqlalchemy.engine import FrozenResult, Result
    from sqlalchemy.orm import SessionTransaction

    from .statements import Statement

__all__ = ["SessionRows", "classes_to_tell", "savepoint"]

T = TypeVar("T")

AT_ONCE: Final = {"stream_results": False}
"""The execution options of a batch's statement: its rows are few, and ``session.stream()`` reads them from memory."""


def classes_to_tell(
    statement: Statement, kind: str, values: Mapping[str, Any], column_values: Mapping[str, Any]
) -> list[type[Any]]:
    """Return the classes whose rows receivers hear one by one; none, where the statement can be run as it is.

    Args:
        statement: The statement.
        kind: ``"update"`` or ``"delete"``.
        values: The values that an UPDATE sets, by attribute name.
        column_values: The values that it writes, by column key.

    Raises:
        RefusedError: Receivers cannot be told of each row of the statement.
    """
    classes = heard_classes(statement.model, kind)
    if classes:
        asked: Any = statement.state.statement
        mapping, call = mapping_of(statement.model), statement.call
        refuse_key(mapping, call, classes, column_values)
        reason = reason_against(asked, classes, mapping, values)
        if reason is None and isinstance(asked.table, Alias):
            reason = "is on an alias"
        if reason is None and kind == "update":
            columns = [each.key for each in set_by(asked) if isinstance(each, ColumnElement)]
            unmapped = [str(key) for key in columns if key not in mapping.attributes]
            names = [each for each in set_by(asked) if isinstance(each, str) and each not in mapping.keys]
            by_column = [name for name in names if name in mapping.table.columns]
            if unmapped:
                reason = f"sets a column without an attribute ({', '.join(unmapped)})"
            elif by_column:
                reason = f"sets a column by a name that is not its attribute's ({', '.join(by_column)})"
            elif names:
                return []  # SQLAlchemy refuses the name
        if reason is not None:
            refuse(call, kind, classes, reason)
    return classes


def connection_of(statement: Statement) -> Connection:
    """Return the connection that a statement runs on."""
    return statement.state.session.connection(bind_arguments=dict(statement.state.bind_arguments))


@asynccontextmanager
async def savepoint(statement: Statement) -> AsyncIterator[None]:
    """Run a block in a savepoint of a statement's session, which is rolled back where a receiver raises.

    Changes that are pending in a session without autoflush stay pending.
    """
    call, session = statement.flush.call, statement.state.session
    is_autoflushed = statement.is_autoflushed
    pending = None if is_autoflushed or is_flushing(session) else Pending(session)

    def held(work: Callable[[], T]) -> T:
        with nullcontext() if is_autoflushed else without_flush(session):
            return work()

    def begin() -> SessionTransaction:
        connection = connection_of(statement)
        if connection.dialect.name == "sqlite":
            connection.execute(take_write_lock(mapping_of(statement.model)))
        return session.begin_nested()

    begun = await call(lambda: held(begin))
    try:
        yield
    except BaseException:
        await call(begun.rollback)
        if pending is not None:
            pending.put_back()
        raise
    await call(lambda: held(begun.commit))


class SessionRows(RowBatches):
    """The rows of a session's statement.

    Args:
        statement: The statement.
        kind: ``"update"`` or ``"delete"``.
        classes: The classes whose rows receivers hear.
        caller: The queryset of the rows.
        where: More conditions than the statement's.
        values: The values that an UPDATE sets, by attribute name.
        column_values: The values that it writes, by column key.
    """

    def __init__(
        self,
        statement: Statement,
        kind: str,
        classes: Sequence[type[Any]],
        caller: object,
        where: Sequence[Any] = (),
        values: Mapping[str, Any] | None = None,
        column_values: Mapping[str, Any] | None = None,
    ) -> None:
        self.statement, self.state, self.session = statement, statement.state, statement.state.session
        asked: Any = statement.state.statement
        options = [each for each in asked._with_options if isinstance(each, LoaderCriteriaOption)]
        conditions = (*where_of(asked), *where)
        super().__init__(
            statement.model, kind, classes, statement.call, caller, conditions, values, column_values, options
        )
        self.to_run = without_where(asked)
        if kind == "update":
            new = {getattr(self.model, self.mapping.attributes[key]): each for key, each in self.column_values.items()}
            self.to_run = with_values(self.to_run, new)
        self.results: list[FrozenResult[Any]] = []
        """The results of the batches, where the statement has a RETURNING of its own."""

    @property
    def dialect(self) -> Dialect:
        """The database's dialect."""
        return self.session.get_bind(**self.state.bind_arguments).dialect

    @property
    def has_returning(self) -> bool:
        """The statement has a RETURNING of its own."""
        return bool(returned_by(self.to_run))

    async def read(self, statement: Select[Any], columns: Sequence[Any], parameters: Parameters) -> Rows:
        """Run a SELECT on the session's connection; see the base class."""
        given: Any = self.state.parameters or {}
        given = {**given, **parameters}
        options = {"schema_translate_map": self.state.execution_options.get("schema_translate_map")}

        def run() -> Rows:
            return [*map(tuple, connection_of(self.statement).execute(statement, given, execution_options=options))]

        return await self.statement.flush.call(run)

    async def write(self, keys: list[Key], returns: bool) -> tuple[int | None, Rows | None]:
        """Run the statement on the rows of these keys, by SQLAlchemy, which sees to the session's instances."""
        condition = tuple_(*self.key).in_(keys) if self.width > 1 else self.key[0].in_([key[0] for key in keys])
        statement = self.to_run.where(condition)
        if self.has_returning:
            frozen = await self.frozen(statement)
            self.results.append(frozen)
            return len(frozen.data), None
        if returns and self.returns:
            columns = self.columns_after if self.kind == "update" else self.columns[: self.width]
            rows = await self.invoke(statement.returning(*columns), lambda result: [*map(tuple, result)])
            return len(rows), rows
        count: int = await self.invoke(statement, lambda result: getattr(result, "rowcount", -1))
        return (count if count >= 0 else None), None

    async def frozen(self, statement: Any) -> FrozenResult[Any]:
        """Run a statement in the place of the session's own, and keep the rows that it returns."""
        return await self.invoke(statement, lambda result: result.freeze())

    async def invoke(self, statement: Any, read: Callable[[Result[Any]], T]) -> T:
        """Let SQLAlchemy run a statement in the place of the session's own.

        Args:
            statement: The statement.
            read: Reads its result, where the driver can be waited for.
        """
        state = self.state
        return await self.statement.flush.call(
            lambda: read(state.invoke_statement(statement, execution_options=AT_ONCE))
        )

    @property
    def has_instances(self) -> bool:
        """The session has instances."""
        return bool(self.session.identity_map)

    def known(self, identity: Key) -> Any:
        """Return the session's instance of a row, if there is one."""
        return self.session.identity_map.get(identity)

    async def run(self) -> int | None:
        """Write all rows, between the signals of each; return how many, if the database says."""
        row_count = await super().run()
        if self.has_returning and not self.results:
            self.results.append(await self.frozen(self.to_run.where(false())))
        return row_count

    def answer(self) -> Result[Any]:
        """Return the result of the statement."""
        if not self.results:
            return self.statement.counted(self.row_count or 0)
        first, *others = [each() for each in self.results]
        return first.merge(*others) if others else first
