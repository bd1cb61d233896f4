"""Three Alembic operations that a migration with null fields consists of; each may be run again after a crash."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

import sqlalchemy as sa
from alembic.autogenerate import renderers
from alembic.operations import MigrateOperation, Operations, ops
from alembic.util import CommandError
from sqlalchemy import Column, Connection, event
from sqlalchemy import inspect as inspected
from sqlalchemy.exc import SAWarning
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.util import await_only

from .environment import OBSERVER
from .fields import model_of_table
from .fill import BATCH_SIZE, Defaults, fill_columns
from .waiting import wait

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.runtime.migration import MigrationContext

__all__ = ["AddColumnOnceOp", "AlterColumnWhenFilledOp", "FillNullFieldsOp"]

LOG: Final = logging.getLogger("aldis.migrations")


@Operations.register_operation("add_column_once")
class AddColumnOnceOp(MigrateOperation):
    """Add a column, unless a run before this one has."""

    def __init__(self, add: ops.AddColumnOp) -> None:
        self.add = add

    @classmethod
    def add_column_once(
        cls, operations: Operations, table_name: str, column: Column[Any], *, schema: str | None = None
    ) -> None:
        """Add a column, unless the table has it: as ``op.add_column``, for a migration that may be run again.

        Args:
            operations: Alembic's, which ``op.`` gives.
            table_name: The table.
            column: The column.
            schema: The table's schema.
        """
        operations.invoke(cls(ops.AddColumnOp(table_name, column, schema=schema)))


@Operations.implementation_for(AddColumnOnceOp)
def add_column_once(operations: Operations, operation: AddColumnOnceOp) -> None:
    """Add a column, unless the table has it."""
    add = operation.add
    if not operations.migration_context.as_sql:
        known = inspected(operations.get_bind()).get_columns(add.table_name, schema=add.schema)
        if add.column.name in {column["name"] for column in known}:
            LOG.info("%s.%s is there already: an earlier run was interrupted", add.table_name, add.column.name)
            return
    operations.invoke(add)


@renderers.dispatch_for(AddColumnOnceOp)
def render_add_column_once(context: AutogenContext, operation: AddColumnOnceOp) -> str:
    """Return the line of a migration: Alembic's own, under our name."""
    return rendered(context, operation.add, "add_column", "add_column_once")


@Operations.register_operation("fill_null_fields")
class FillNullFieldsOp(MigrateOperation):
    """Fill columns that are NULL, through the models."""

    def __init__(
        self,
        table_name: str,
        fields: Sequence[str],
        model: str,
        *,
        defaults: Defaults | None = None,
        batch_size: int = BATCH_SIZE,
        schema: str | None = None,
    ) -> None:
        self.table_name = table_name
        self.fields = tuple(fields)
        self.model = model
        self.defaults = dict(defaults or {})
        self.batch_size = batch_size
        self.schema = schema

    @classmethod
    def fill_null_fields(cls, operations: Operations, table_name: str, fields: Sequence[str], **options: Any) -> None:
        """Fill fields of stored rows that are NULL, with ``pre_update`` and ``post_update`` for each row.

        The migrations before it in the same run are committed, and so is each chunk of rows. See
        :func:`aldis.migrations.apply_default_force_nullable_fields`.

        Args:
            operations: Alembic's, which ``op.`` gives.
            table_name: The table.
            fields: The model's attributes.
            options: ``model``, the name of the class; ``defaults``, the fields' new values by name, each a value or a
                function of the instance; ``batch_size``, the rows of one transaction; ``schema``, the table's.
        """
        operations.invoke(cls(table_name, fields, **options))


@Operations.implementation_for(FillNullFieldsOp)
def fill_null_fields(operations: Operations, operation: FillNullFieldsOp) -> None:
    """Fill fields of stored rows that are NULL."""
    context = operations.migration_context
    model = model_of(context, operation)
    if context.as_sql:
        write_fill(context, operation, model)
        return
    if model is None:
        refuse_without_model(operations, operation)
        return
    fields = [name for name in operation.fields if hasattr(model, name)]
    observer, table = OBSERVER.get(), operation.table_name
    total = count_null(context, operation) if observer is not None else 0

    def tell(done: int) -> None:
        if observer is not None:
            observer.filled(table, done, total)

    with own_transactions(context) as connection:
        wait(
            partial(
                fill_columns,
                model,
                fields,
                operation.defaults,
                as_async(connection),
                operation.batch_size,
                tell,
            )
        )


@renderers.dispatch_for(FillNullFieldsOp)
def render_fill_null_fields(_context: AutogenContext, operation: FillNullFieldsOp) -> str:
    """Return the line of a migration."""
    schema = "" if operation.schema is None else f", schema={operation.schema!r}"
    fields, model = list(operation.fields), operation.model
    return f"op.fill_null_fields({operation.table_name!r}, {fields!r}, model={model!r}{schema})"


@Operations.register_operation("alter_column_when_filled")
class AlterColumnWhenFilledOp(MigrateOperation):
    """Alter a column that is NULL in no row any more."""

    def __init__(self, alter: ops.AlterColumnOp) -> None:
        self.alter = alter

    @classmethod
    def alter_column_when_filled(
        cls, operations: Operations, table_name: str, column_name: str, *, schema: str | None = None, **options: Any
    ) -> None:
        """Make a column NOT NULL, unless a row is still NULL: as ``op.alter_column(nullable=False)``.

        Such rows are those that a receiver has skipped; a warning tells how many. On SQLite, which has to copy the
        table for it, this is one transaction, with foreign keys off, and triggers and indexes are kept.

        Args:
            operations: Alembic's, which ``op.`` gives.
            table_name: The table.
            column_name: The column.
            schema: The table's schema.
            options: As ``op.alter_column``'s.
        """
        nullable = options.pop("nullable", False)
        alter = ops.AlterColumnOp(table_name, column_name, schema=schema, modify_nullable=nullable, **options)
        operations.invoke(cls(alter))


@Operations.implementation_for(AlterColumnWhenFilledOp)
def alter_column_when_filled(operations: Operations, operation: AlterColumnWhenFilledOp) -> None:
    """Make a column NOT NULL, unless a row is still NULL."""
    alter, context = operation.alter, operations.migration_context
    on_sqlite = context.dialect.name == "sqlite"
    if context.as_sql:
        if on_sqlite:
            context.impl.static_output(f"-- {named(alter)} stays nullable: SQLite has to copy the table for that")
        else:
            operations.invoke(alter)
        return
    connection = operations.get_bind()
    columns = inspected(connection).get_columns(alter.table_name, schema=alter.schema)
    if not next(column["nullable"] for column in columns if column["name"] == alter.column_name):
        return
    table = sa.table(alter.table_name, sa.column(alter.column_name), schema=alter.schema)
    counting = sa.select(sa.func.count()).select_from(table).where(table.c[alter.column_name].is_(sa.null()))
    remaining = connection.execute(counting).scalar_one()
    if remaining:
        LOG.warning("%s stays nullable: %d rows are still NULL", named(alter), remaining)
    elif on_sqlite:
        copy_table(operations, alter)
    else:
        operations.invoke(alter)


@renderers.dispatch_for(AlterColumnWhenFilledOp)
def render_alter_column_when_filled(context: AutogenContext, operation: AlterColumnWhenFilledOp) -> str:
    """Return the line of a migration: Alembic's own, under our name."""
    return rendered(context, operation.alter, "alter_column", "alter_column_when_filled")


def rendered(context: AutogenContext, operation: MigrateOperation, theirs: str, ours: str) -> str:
    """Return Alembic's text of an operation, under another name."""
    text = renderers.dispatch(operation)(context, operation)
    return (text if isinstance(text, str) else "\n".join(text)).replace(f".{theirs}(", f".{ours}(", 1)


def named(alter: ops.AlterColumnOp) -> str:
    """Return the name of a column, with its table's."""
    return f"{alter.table_name}.{alter.column_name}"


def refuse_without_model(operations: Operations, operation: FillNullFieldsOp) -> None:
    """Refuse to fill without the model, if there is something to fill.

    Raises:
        CommandError: There is.
    """
    if count_null(operations.migration_context, operation):
        raise CommandError(
            f"{operation.table_name} has rows to fill in {', '.join(operation.fields)}, and no model is called "
            f"{operation.model!r} any more: import it in env.py, or fill them here with op.execute()."
        )


def model_of(context: MigrationContext, operation: FillNullFieldsOp) -> type[Any] | None:
    """Return the model that fills, if it is still there."""
    metadata = context.opts.get("target_metadata")
    return model_of_table(operation.model, operation.table_name, operation.schema, metadata)


def count_null(context: MigrationContext, operation: FillNullFieldsOp) -> int:
    """Return the number of rows to fill."""
    model = model_of(context, operation)
    names = [column_name(model, field) for field in operation.fields]
    table = sa.table(operation.table_name, *map(sa.column, names), schema=operation.schema)
    condition = sa.or_(*(table.c[name].is_(sa.null()) for name in names))
    assert context.connection is not None
    return context.connection.execute(sa.select(sa.func.count()).select_from(table).where(condition)).scalar_one()


def column_name(model: type[Any] | None, field: str) -> str:
    """Return the name of a field's column."""
    attribute = None if model is None else getattr(model, field, None)
    return field if attribute is None else cast("str", attribute.property.columns[0].name)


def write_fill(context: MigrationContext, operation: FillNullFieldsOp, model: type[Any] | None) -> None:
    """Write the SQL that fills the rows, offline: an UPDATE for a plain default, else a comment that asks for one."""
    for field in operation.fields:
        attribute = None if model is None else getattr(model, field, None)
        column = None if attribute is None else attribute.property.columns[0]
        value = operation.defaults.get(field)
        if value is None and column is not None and column.default is not None and column.default.is_scalar:
            value = column.default.arg
        name = column_name(model, field)
        if value is None or callable(value):
            context.impl.static_output(f"-- fill {operation.table_name}.{name} here: its default is made in Python")
            continue
        bound = sa.literal(value, None if column is None else column.type)
        typed = sa.column(name, bound.type)
        table = sa.table(operation.table_name, typed, schema=operation.schema)
        context.impl._exec(sa.update(table).where(typed.is_(sa.null())).values({typed: bound}))


@contextmanager
def own_transactions(context: MigrationContext) -> Iterator[Connection]:
    """Commit the migrations so far, and give a block a connection for transactions of its own.

    Where the migrations run in a transaction that somebody else has begun, the block is a part of that.
    """
    assert context.connection is not None
    if context._in_external_transaction:
        yield context.connection
        return
    with context.autocommit_block(), context.connection.engine.connect() as connection:
        yield connection


class SyncEngine:
    """The engine of an :class:`~sqlalchemy.ext.asyncio.AsyncConnection` whose driver is not async."""

    def __init__(self, connection: Connection) -> None:
        self.sync_engine = connection.engine
        self.dialect = connection.dialect


def as_async(connection: Connection) -> AsyncConnection:
    """Return a connection that models can use, whether its driver is async or not."""
    if connection.dialect.is_async:
        return AsyncConnection(AsyncEngine(connection.engine), connection)

    # SQLAlchemy refuses an execution that nothing was awaited in, to find drivers that are not async. This one is not.
    event.listen(connection, "before_cursor_execute", lambda *_args: await_only(nothing()))
    return AsyncConnection(cast("AsyncEngine", SyncEngine(connection)), connection)


async def nothing() -> None:
    """Be awaited."""


def copy_table(operations: Operations, alter: ops.AlterColumnOp) -> None:
    """Alter a column on SQLite, which takes a copy of the table: in one transaction, with all that hangs on the table.

    Dropping a table whose foreign keys are enforced deletes its rows first, and the rows that refer to them by cascade
    (SQLite's manual, "DROP TABLE"). Alembic's batch knows no triggers, no CHECK constraints and no indexes on
    expressions.
    """
    with one_transaction(operations.migration_context) as connection:
        parts = {"name": alter.table_name}
        made = sa.text(
            "SELECT name, sql FROM sqlite_master WHERE tbl_name = :name AND type IN ('index', 'trigger') "
            "AND sql NOT NULL"
        )
        before: Mapping[str, str] = {row.name: row.sql for row in connection.execute(made, parts)}
        checks = inspected(connection).get_check_constraints(alter.table_name)
        kept = tuple(sa.CheckConstraint(check["sqltext"], name=check["name"]) for check in checks)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Skipped unsupported reflection of expression-based index", SAWarning)
            with operations.batch_alter_table(alter.table_name, table_args=kept, recreate="always") as batch:
                batch.alter_column(alter.column_name, nullable=False)
        after = {row.name for row in connection.execute(made, parts)}
        for name, sql in before.items():
            if name not in after:
                connection.exec_driver_sql(sql)


@contextmanager
def one_transaction(context: MigrationContext) -> Iterator[Connection]:
    """Run a block in one transaction of SQLite's, DDL included, with foreign keys off.

    Python's sqlite3 begins one for INSERT, UPDATE and DELETE only, and foreign keys can only be turned off outside of
    one (SQLite's manual, "PRAGMA foreign_keys").
    """
    assert context.connection is not None
    if context._in_external_transaction:
        yield context.connection
        return
    with context.autocommit_block():
        connection = context.connection
        enforced = connection.exec_driver_sql("PRAGMA foreign_keys").scalar()
        run = cast("Callable[[str], object]", connection.exec_driver_sql)
        run("PRAGMA foreign_keys=OFF")
        run("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            run("ROLLBACK")
            raise
        else:
            run("COMMIT")
        finally:
            run(f"PRAGMA foreign_keys={'ON' if enforced else 'OFF'}")
