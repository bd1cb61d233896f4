"""``null_fields``: how a generated revision adds NOT NULL columns to tables that have rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from alembic.operations import ops
from alembic.util import CommandError

from .fields import Field, fields_named
from .operations import AddColumnOnceOp, AlterColumnWhenFilledOp, FillNullFieldsOp

if TYPE_CHECKING:
    from alembic.runtime.environment import ProcessRevisionDirectiveFn
    from alembic.runtime.migration import MigrationContext

__all__ = ["filling"]

IMPORT = "import aldis.migrations  # brings op.add_column_once and its siblings"


def filling(
    null_fields: Sequence[str], autogenerate: bool, then: ProcessRevisionDirectiveFn | None
) -> ProcessRevisionDirectiveFn | None:
    """Return a function that rewrites a generated revision so that it fills the null fields.

    Args:
        null_fields: The fields, by name.
        autogenerate: Whether the revision is generated.
        then: The caller's own function, which changes the revision before.

    Raises:
        CommandError: It is not, or the fields are no sequence of names.
    """
    if isinstance(null_fields, str):
        raise CommandError(f"null_fields is {null_fields!r}: give a sequence of names, [{null_fields!r}].")
    named = tuple(null_fields or ())
    if not named:
        return then
    if not autogenerate:
        raise CommandError(
            f"null fields {', '.join(named)}: there is nothing to make nullable in an empty revision. "
            "Generate it: --autogenerate, or migrate()."
        )

    def process(context: MigrationContext, revision: Any, directives: list[Any]) -> None:
        if then is not None:
            then(context, revision, directives)
        target = context.opts["target_metadata"]
        is_only = context.opts["upgrade_token"] == "upgrades"  # noqa: S105 - of several databases, each has its own
        fields = {
            # Of several databases the field may be another's: it is looked for everywhere, and used where it is.
            name: fields_named(name, target) if is_only else [each for each in fields_named(name) if each.is_in(target)]
            for name in named
        }
        used: set[Field] = set()
        for script in directives:
            for upgrade_ops in script.upgrade_ops_list:
                used |= rewrite(upgrade_ops, [field for found in fields.values() for field in found])
            if used:
                script.imports.add(IMPORT)
        if is_only:
            refuse_unused(fields, used)

    return process


def refuse_unused(fields: dict[str, list[Field]], used: Iterable[Field]) -> None:
    """Refuse a null field that the revision does not touch.

    Raises:
        CommandError: There is one.
    """
    for name, found in fields.items():
        if not set(found) & set(used):
            raise CommandError(
                f"null field {name!r}: there is nothing to fill. Its column is there and NOT NULL already, or the "
                "model allows NULL, or the column has a server default, which fills it."
            )


def rewrite(upgrade_ops: ops.UpgradeOps, fields: Sequence[Field]) -> set[Field]:
    """Take the null fields' columns out of a revision's operations; put those that add and fill them first.

    They come first, since each of them commits. The operations after them stay in one transaction with the
    revision's number, and are not run twice when the filling is interrupted.

    Returns:
        The fields that there were operations for.
    """
    by_column = {(each.table.schema, each.table.name, each.column.name): each for each in fields}
    used: dict[Field, tuple[ops.AddColumnOp | None, ops.AlterColumnOp]] = {}
    for each in upgrade_ops.ops:
        if isinstance(each, ops.ModifyTableOps):
            rest = []
            for operation in each.ops:
                found = by_column.get(column_of(operation)) if is_concerned(operation) else None
                if found is None:
                    rest.append(operation)
                else:
                    used[found] = split(operation)
            each.ops[:] = rest
    upgrade_ops.ops[:] = [
        *steps(used),
        *(each for each in upgrade_ops.ops if not isinstance(each, ops.ModifyTableOps) or each.ops),
    ]
    return set(used)


def is_concerned(operation: Any) -> bool:
    """Tell whether an operation needs the rows to be filled first."""
    if isinstance(operation, ops.AddColumnOp):
        column = operation.column
        return not column.nullable and column.server_default is None and not column.primary_key
    return isinstance(operation, ops.AlterColumnOp) and operation.modify_nullable is False


def column_of(operation: Any) -> tuple[str | None, str, str]:
    """Return the schema, the table and the name of the column that an operation adds or alters."""
    name = operation.column.name if isinstance(operation, ops.AddColumnOp) else operation.column_name
    return operation.schema, operation.table_name, name


def split(operation: Any) -> tuple[ops.AddColumnOp | None, ops.AlterColumnOp]:
    """Return the operations that add the column nullable, if it is new, and those that make it NOT NULL."""
    if isinstance(operation, ops.AlterColumnOp):
        return None, operation
    column = operation.column
    column.nullable = True
    alter = ops.AlterColumnOp(
        operation.table_name,
        column.name,
        schema=operation.schema,
        existing_type=column.type,
        existing_comment=column.comment,
        existing_nullable=True,
        modify_nullable=False,
    )
    return operation, alter


def steps(used: dict[Field, tuple[ops.AddColumnOp | None, ops.AlterColumnOp]]) -> list[Any]:
    """Return the operations that add, fill and alter the columns, one filling a model."""
    fills: dict[type[Any], list[Field]] = {}
    for field in used:
        fills.setdefault(field.model, []).append(field)
    return [
        *(AddColumnOnceOp(add) for add, _ in used.values() if add is not None),
        *(
            FillNullFieldsOp(
                fields[0].table.name, [each.name for each in fields], model.__name__, schema=fields[0].table.schema
            )
            for model, fields in fills.items()
        ),
        *(AlterColumnWhenFilledOp(alter) for _, alter in used.values()),
    ]
