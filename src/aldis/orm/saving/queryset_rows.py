"""``query.update()`` and ``query.delete()`` of rows that receivers hear one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, update

from ..databases.outcome import raise_as_sqlalchemy
from ..databases.sqlite import whole
from ..internals import where_of
from ..mapping.table import mapping_of
from ..transactions.settings import settings_of
from .prepared import Prepared, Unprepared
from .row_batches import KEYS, Key, Parameters, RowBatches, Rows, take_write_lock
from .row_refusals import heard_classes, reason_against_select, refuse, refuse_key

if TYPE_CHECKING:
    from sqlalchemy import Dialect, Select

    from ..queryset import QuerySet
    from ..transactions.savepoints import Transaction

__all__ = ["QuerysetRows", "classes_to_tell"]


def classes_to_tell(queryset: QuerySet[Any], kind: str, call: str, column_values: Mapping[str, Any]) -> list[type[Any]]:
    """Return the classes whose rows receivers hear one by one; none, where the statement can be run as it is.

    Args:
        queryset: The rows.
        kind: ``"update"`` or ``"delete"``.
        call: The call, for the message.
        column_values: The values that an UPDATE writes.

    Raises:
        RefusedError: Receivers cannot be told of each row of the statement.
    """
    classes = heard_classes(queryset.model, kind)
    if classes:
        mapping = mapping_of(queryset.model)
        refuse_key(mapping, call, classes, column_values)
        reason = reason_against_select(queryset.select, classes, mapping, column_values)
        if reason is not None:
            refuse(call, kind, classes, reason)
    return classes


class QuerysetRows(RowBatches):
    """The rows of a queryset.

    Args:
        transaction: The operation's.
        queryset: The queryset.
        kind: ``"update"`` or ``"delete"``.
        classes: The classes whose rows receivers hear.
        call: The call, for messages.
        conditions: More conditions than the queryset's.
        values: The values that an UPDATE was given, by attribute name.
        column_values: The values that it writes, by column key.
    """

    def __init__(
        self,
        transaction: Transaction,
        queryset: QuerySet[Any],
        kind: str,
        classes: Sequence[type[Any]],
        call: str,
        conditions: Sequence[Any] = (),
        values: Mapping[str, Any] | None = None,
        column_values: Mapping[str, Any] | None = None,
    ) -> None:
        self.transaction = transaction
        where = (*where_of(queryset.select), *conditions)
        super().__init__(queryset.model, kind, classes, call, queryset, where, values, column_values)
        table = self.mapping.table
        if kind == "update":
            new = {table.columns[key]: value for key, value in self.column_values.items()}
            self.statement: Any = update(table).values(new)
        else:
            self.statement = delete(table)
        self.writings: dict[Any, Any] = {}
        """The statement on some keys, by the type of their parameter, and by whether it returns rows."""
        self.prepared: dict[Any, Prepared | None] = {}

    @property
    def dialect(self) -> Dialect:
        """The database's dialect."""
        return self.transaction.sync.dialect

    async def run(self) -> int | None:
        """Write all rows, between the signals of each; return how many, if the database says."""
        transaction = self.transaction
        if self.dialect.name == "sqlite" and (
            transaction.is_given or settings_of(transaction.sync.engine).begin == "deferred"
        ):
            await transaction.connection.execute(take_write_lock(self.mapping))
        return await super().run()

    async def read(self, statement: Select[Any], columns: Sequence[Any], parameters: Parameters) -> Rows:
        """Run a SELECT in the transaction; see the base class."""
        return (await self.execute(statement, columns, parameters))[0]

    async def write(self, keys: list[Key], returns: bool) -> tuple[int | None, Rows | None]:
        """Run the statement on the rows of these keys; see the base class."""
        value, has_rows = self.as_parameter(keys), returns and self.returns
        columns: Sequence[Any] = ()
        if has_rows:
            columns = self.columns_after if self.kind == "update" else self.columns[: self.width]
        made = type(value), has_rows
        if made not in self.writings:
            statement = self.statement.where(self.among(type(value), self.columns[: self.width]))
            self.writings[made] = statement.returning(*columns) if has_rows else statement
        rows, count = await self.execute(self.writings[made], columns, {KEYS: value})
        if has_rows:
            return len(rows), rows
        return (count if count >= 0 else None), None

    async def execute(self, statement: Any, columns: Sequence[Any], parameters: Parameters) -> tuple[Rows, int]:
        """Run a statement; return its rows, if there are columns, and how many it has written.

        By the driver, if it has a way to run such a statement; else by SQLAlchemy.
        """
        transaction = self.transaction
        driver: Any = await transaction.begun_driver()
        prepared = self.prepare(statement, columns, parameters) if hasattr(driver, "run_arrays") else None
        if prepared is None:
            result = await whole(transaction.connection, transaction.connection.execute(statement, parameters))
            return [*map(tuple, result.all())] if columns else [], result.rowcount
        try:
            values = list(prepared.parameters(parameters))
        except Exception as error:
            await raise_as_sqlalchemy(transaction.connection, error, prepared.sql, tuple(parameters.values()))
        async with transaction.turn():
            rows, count = await driver.run_arrays(transaction, prepared.sql, values, bool(columns))
        return prepared.read_all(rows), count

    def prepare(self, statement: Any, columns: Sequence[Any], parameters: Parameters) -> Prepared | None:
        """Return a statement prepared; ``None`` where it has to take SQLAlchemy's own road."""
        if statement not in self.prepared:
            try:
                self.prepared[statement] = Prepared(self.dialect, statement, tuple(parameters), columns)
            except Unprepared:
                self.prepared[statement] = None
        return self.prepared[statement]
