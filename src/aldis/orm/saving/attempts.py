"""A statement of many rows that can be undone alone, and the name of the row that an error is of."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Self

from sqlalchemy.exc import StatementError

from ...errors import RowMismatchError

if TYPE_CHECKING:
    from ..transactions.savepoints import Transaction

__all__ = ["REFUSALS", "Attempt", "Refused", "RowNote", "naming"]

REFUSALS: Final = (StatementError, TypeError, ValueError, ArithmeticError)
"""Errors of a statement that may be those of a row; psycopg's own, of values that it cannot write, come as they are."""

RowNote = Callable[[int], str]
"""What an error says of the row at a place among the rows."""


class Refused(Exception):
    """Rows that cannot go in one statement; it says why."""


class Attempt:
    """A statement that can be undone without the rest of the operation.

    The savepoint that is due with the statement serves, if there is one: nothing has run in it before. Other tasks wait
    meanwhile.
    """

    def __init__(self, transaction: Transaction) -> None:
        self.transaction = transaction
        self.turn = transaction.turn()

    async def __aenter__(self) -> Self:
        await self.turn.__aenter__()
        self.has_own = self.transaction.begun == self.transaction.depth
        if self.has_own:
            self.transaction.enter()
        self.number = self.transaction.depth
        return self

    async def __aexit__(self, *error: object) -> None:
        if self.has_own:
            self.transaction.leave()
        await self.turn.__aexit__(*error)  # type: ignore[arg-type]

    async def undo(self) -> None:
        """Undo the statement.

        Raises:
            RowMismatchError: It cannot be undone.
        """
        transaction = self.transaction
        if transaction.begun >= self.number:
            await transaction.roll_back_to(self.number)
            if getattr(transaction.driver, "keeps_rows", False):
                raise RowMismatchError(
                    "rows were stored that cannot be undone, and nobody can tell their keys: the table is of an engine "
                    "without transactions, such as MyISAM. Alter it to InnoDB, or write one row at a time."
                )


class naming:  # noqa: N801 - as contextlib's own
    """Name the row of an error.

    Args:
        note: What it says.
        number: The place of the row.
    """

    __slots__ = ("note", "number")

    def __init__(self, note: RowNote | None, number: int) -> None:
        self.note = note
        self.number = number

    def __enter__(self) -> None:
        """Nothing is left to do."""

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, Exception) and self.note is not None:
            error.add_note(self.note(self.number))
