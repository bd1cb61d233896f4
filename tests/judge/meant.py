"""The six rules of the contract that stand above SQLAlchemy's ways: the only differences that are meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, InvalidRequestError
from sqlalchemy.orm.exc import FlushError

import aldis

if TYPE_CHECKING:
    from .outcomes import Trial

__all__ = ["MEANT", "Meant", "is_meant_error", "table"]


@dataclass(frozen=True)
class Meant:
    """A rule."""

    says: str
    why: str
    example: str


MEANT = [
    Meant(
        "An instance has its own row's key, or the call fails and is undone",
        "SQLAlchemy sorts the keys that INSERT returned, and errs where a trigger or a sequence descends",
        "A BEFORE trigger sets `NEW.id := 1000000 - NEW.id`",
    ),
    Meant(
        "A row that the database dropped is an error",
        "An instance that is marked as stored has a row",
        "A BEFORE trigger returns NULL",
    ),
    Meant(
        "An attribute that the session leaves unloaded may be loaded, with the value that a SELECT would give; "
        "to set it to that value is no change then",
        "The database returned it anyway, and reading it later would need a session",
        "`server_default`, `onupdate=func.now()`",
    ),
    Meant(
        "An UPDATE whose row is gone raises an `ObjectNotFound` that is a `StaleDataError` too; a DELETE answers 0",
        "The caller of `save()` asks for one row, and is told that it is not there",
        "Another process has deleted the row",
    ),
    Meant(
        "Generated keys are compared by order, not by number; times of the database by closeness",
        "Two runs never have the same",
        "`id` of a sequence, `server_default=func.now()`",
    ),
    Meant(
        "Of two bad rows, either may be told of first",
        "A batch may be sent in one statement, or row by row",
        "Row 3 has no name, and row 5 has a name that is too long",
    ),
]


def table() -> str:
    """Return the rules as the documentation's table."""
    rows = [f"| {number} | {rule.says} | {rule.why} | {rule.example} |" for number, rule in enumerate(MEANT, 1)]
    return "\n".join(["| | the rule | its reason | an example |", "| --- | --- | --- | --- |", *rows])


def is_meant_error(trial: Trial) -> bool:
    """Tell whether aldis may raise another error than SQLAlchemy, or raise one where SQLAlchemy does not."""
    ours, kind = trial.ours.error, trial.example.spec.tables
    if ours is None:
        return False
    is_told = isinstance(ours, aldis.AldisError)
    if kind.makes_keys and is_told:
        return True  # rule 1
    # A session's flush is SQLAlchemy's own work: on SQLite it gives a dropped row the key of another one, and refuses
    # to read a row whose place in the session that one has taken. It finds out where rows go together; it sends those
    # together that have the same columns, as they have once receivers were told of their defaults.
    is_displaced = isinstance(ours, InvalidRequestError | FlushError) and trial.example.call.startswith("session")
    if kind.drops_rows and (is_told or is_displaced):
        return True  # rule 2
    if kind.alter is not None and isinstance(ours, DBAPIError):
        return True  # a statement that was prepared before a type was altered may fail; no row may be wrong
    return type(ours).__name__ in trial.one_by_one  # rule 6
