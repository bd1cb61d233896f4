"""Statements over many rows of which no receiver can be told row by row: they are refused while one asks for that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import CTE, Select, select
from sqlalchemy.sql import visitors
from sqlalchemy.sql.selectable import SelectBase

from ...context import DISABLED
from ...dispatch.receiver import describe
from ...dispatch.row_receivers import among, may_hear_rows
from ...errors import RefusedError
from ..internals import has_ctes, has_joins, has_offset, is_grouped, is_limited, where_of
from ..mapping.instance_state import is_sql
from ..mapping.table import TableMapping, mapper_of
from ..meta import meta_of

if TYPE_CHECKING:
    from sqlalchemy import Delete, Table, Update

    from ...dispatch.records import Receiver

__all__ = ["heard_classes", "reason_against", "reason_against_select", "refuse", "refuse_key", "row_receivers"]


def row_receivers(model: type[Any], when: str, kind: str) -> list[Receiver]:
    """Return the receivers of a class that hear each row of statements.

    Args:
        model: The class.
        when: ``"pre"`` or ``"post"``.
        kind: ``"update"`` or ``"delete"``.
    """
    return among(meta_of(model).signals[f"{when}_{kind}"], model)[0]


def heard_classes(model: type[Any], kind: str) -> list[type[Any]]:
    """Return the classes of a statement's rows of which a receiver hears each row: the model, and classes below it.

    Args:
        model: The class that the statement is on.
        kind: ``"update"`` or ``"delete"``.
    """
    mapper = mapper_of(model)
    classes = [each.class_ for each in mapper.self_and_descendants if mapper.local_table in each.tables]
    if DISABLED.get() or not may_hear_rows(classes):
        return []
    return [each for each in classes if row_receivers(each, "pre", kind) or row_receivers(each, "post", kind)]


def refuse(call: str, kind: str, classes: Iterable[type[Any]], reason: str) -> None:
    """Refuse a statement.

    Args:
        call: The call, for the message.
        kind: ``"update"`` or ``"delete"``.
        classes: The classes whose rows receivers hear.
        reason: A clause about the statement; in the message it follows "a statement that".

    Raises:
        RefusedError: Always.
    """
    model = next(iter(classes))
    receiver = [*row_receivers(model, "pre", kind), *row_receivers(model, "post", kind)][0]
    instead = "update the instances (bulk_update)" if kind == "update" else "delete the instances, one by one"
    raise RefusedError(
        f"{call} is refused: {describe(receiver.itself())} hears each row of {model.__name__} (rows=True), and cannot "
        f"be told of each row of a statement that {reason}. Instead, {instead}, or run it in "
        "aldis.signals_disabled()."
    )


def refuse_key(mapping: TableMapping, call: str, classes: Iterable[type[Any]], keys: Iterable[str]) -> None:
    """Refuse an UPDATE that changes the primary key: its rows could not be found again.

    Raises:
        RefusedError: One of the column keys is the primary key's.
    """
    changed = [mapping.attributes[key] for key in keys if key in mapping.primary_key]
    if changed:
        refuse(call, "update", classes, f"changes the key ({', '.join(changed)})")


def reason_against_select(
    chosen: Select[Any], classes: Iterable[type[Any]], mapping: TableMapping, column_values: Mapping[str, Any]
) -> str | None:
    """Return why the rows that a SELECT finds cannot be written in batches, if they cannot.

    Args:
        chosen: The SELECT.
        classes: The classes whose rows receivers hear.
        mapping: The mapping of its model.
        column_values: The values that an UPDATE writes, by column key.
    """
    if is_limited(chosen) or has_offset(chosen):
        return "has a LIMIT"
    if has_joins(chosen):
        return "has joins"
    if is_grouped(chosen):
        return "has GROUP BY, HAVING or DISTINCT"
    return reason_against(chosen, classes, mapping, column_values)


def reason_against(
    statement: Select[Any] | Update | Delete,
    classes: Iterable[type[Any]],
    mapping: TableMapping,
    values: Mapping[Any, Any],
) -> str | None:
    """Return why the rows of a statement cannot be written in batches, if they cannot.

    Args:
        statement: The statement.
        classes: The classes whose rows receivers hear.
        mapping: The mapping of its model.
        values: The values that an UPDATE sets, by attribute or by name, as its caller gave them.
    """
    table, where = mapping.table, where_of(statement)
    expressions = [each for each in values.values() if is_sql(each)]
    froms = (
        *select(*table.primary_key).where(*where).get_final_froms(),
        *(each for part in expressions for each in part_froms(part)),
    )
    has_limit = getattr(statement, "_post_criteria_clause", None) is not None or any(
        name.endswith("_limit") for name in statement.dialect_kwargs
    )
    parts = (element for part in (*where, *expressions) for element in inside(part))
    found = {
        "has a CTE": has_ctes(statement) or any(isinstance(each, CTE) for each in parts),
        "has a LIMIT": has_limit,
        "writes rows whose class an expression tells": has_expression(mapping),
        "writes rows of a class of several tables": any(len(mapper_of(each).tables) > 1 for each in classes),
        "has joins": any(each is not table for each in froms),
        "sets a value that it reads from other rows of the same table": any(reads(each, table) for each in expressions),
    }
    return next((reason for reason, is_so in found.items() if is_so), None)


def has_expression(mapping: TableMapping) -> bool:
    """Tell whether the classes of rows are told by something else than a column of theirs."""
    told_by = mapping.mapper.polymorphic_on
    return told_by is not None and len(mapping.mapper.polymorphic_map) > 1 and told_by not in set(mapping.table.c)


def part_froms(expression: Any) -> Iterator[Any]:
    """Yield the tables of an expression, those of its subqueries aside."""
    yield from select(expression).get_final_froms()


def reads(expression: Any, table: Table) -> bool:
    """Tell whether an expression has a subquery that reads a table; not one that is only correlated with its row."""
    for each in selects_in(expression):
        froms = each.get_final_froms() if isinstance(each, Select) else []
        others = [each for each in froms if each is not table]
        if len(others) < len(froms) and not others:
            return True
        if any(part is table or getattr(part, "element", None) is table for other in others for part in inside(other)):
            return True
    return False


def inside(element: Any) -> Iterator[Any]:
    """Yield an element of a statement, and all that is inside it."""
    return visitors.iterate(element)


def selects_in(expression: Any) -> Iterator[SelectBase]:
    """Yield the SELECTs in an expression."""
    return (each for each in inside(expression) if isinstance(each, SelectBase))
