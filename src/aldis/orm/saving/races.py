"""Races for a row: somebody else inserts it at the same moment, or each waits for a lock that the other holds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from sqlalchemy.exc import DBAPIError, IntegrityError

from ..database import Database
from ..databases.outcome import is_conflict, is_deadlock
from ..transactions.ambient import open_transaction, savepoint_of

if TYPE_CHECKING:
    from ..queryset import QuerySet
    from ..transactions.savepoints import Transaction
    from .operation import Bulk

__all__ = ["again_after_deadlock", "found_or_written"]

F = TypeVar("F", bound=Callable[..., Awaitable[Any]])
T = TypeVar("T")

DEADLOCKS: Final = 100
"""How often an operation begins again: MariaDB gives up all but one of those that insert one new key at once.

A duplicate key is locked there for a read first (its manual, "InnoDB Lock Modes"), which the UPDATE then waits for.
"""


def again_after_deadlock(operation: F) -> F:
    """Let an operation begin again where the database has rolled back its whole transaction to end a deadlock.

    It is attempted once where it is part of a transaction, which others have written in. So is one whose rows, its
    first argument, are an iterator, which cannot be read twice.
    """

    @wraps(operation)
    async def attempts(queryset: QuerySet[Any], rows: Any, *args: Any) -> Any:
        target = queryset._target
        can_repeat = (
            isinstance(target, Database)
            and open_transaction(target) is None
            and not isinstance(rows, Iterator | AsyncIterator)
        )
        for left in reversed(range(DEADLOCKS)):
            try:
                return await operation(queryset, rows, *args)
            except DBAPIError as error:
                if not can_repeat or not left or not is_deadlock(error):
                    raise
        raise AssertionError("unreachable")

    return cast("F", attempts)


async def found_or_written(
    bulk: Bulk,
    transaction: Transaction,
    find: Callable[[bool], Awaitable[dict[Any, Any]]],
    write: Callable[[dict[Any, Any]], Awaitable[T]],
) -> T:
    """Write the rows of a batch that are not found; where a race for one was lost, undo all, and look again.

    Args:
        bulk: The operation.
        transaction: Where it runs.
        find: Returns the stored instances, by their unique values; told whether to see the rows that others have
            committed since the transaction began.
        write: Writes the others, and returns the answer.

    Raises:
        IntegrityError: The database refuses a row, and no other is found in its place.
    """
    found = await find(False)
    while True:
        done = bulk.mark()
        try:
            async with savepoint_of(transaction):
                return await write(found)
        except IntegrityError as error:
            bulk.back_to(done)
            if not is_conflict(error):
                raise
            again = await find(True)
            if again.keys() <= found.keys():
                raise  # it was another constraint
            found = again
