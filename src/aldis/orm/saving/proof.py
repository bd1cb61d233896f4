"""Whether the rows that an INSERT of many rows returned are, one by one, the rows that it was given.

No database promises the order of RETURNING. So it is proved for each batch: by the keys, where the caller gave them, or
else by a key that the database made, which has to go steadily up or down. That is as strong as SQLAlchemy's
order, which sorts by such a key, and right where a sequence or a trigger goes down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import gt, lt
from typing import TYPE_CHECKING, Any

from sqlalchemy import Integer

if TYPE_CHECKING:
    from collections.abc import Collection

    from ..mapping.table import TableMapping

__all__ = ["Proof", "proof_of"]


class Proof:
    """The proof of the order of the rows of an INSERT.

    Args:
        given: The keys of the columns whose values the caller gave, and which are returned to be compared.
        generated: The key of the column whose numbers the database makes.
    """

    __slots__ = ("generated", "given")

    def __init__(self, given: tuple[str, ...] = (), generated: str | None = None) -> None:
        self.given = given
        self.generated = generated

    def reason_against(self, rows: Sequence[Mapping[str, Any]], returned: Mapping[str, Sequence[Any]]) -> str | None:
        """Return why the rows that came back may be others than those that were written; ``None`` if they are not.

        Args:
            rows: The rows that were written, by column key.
            returned: The values that came back: a list for each column, by column key.
        """
        for key in self.given:
            if [row[key] for row in rows] != list(returned[key]):
                return f"another {key} came back than was given"
        if self.generated is not None and not is_steady(returned[self.generated]):
            return f"the values of {self.generated} neither ascend nor descend"
        return None


def is_steady(numbers: Sequence[Any]) -> bool:
    """Tell whether integers go up, or go down, at each step.

    Example:
        >>> is_steady([1, 2, 5]), is_steady([-1, -4]), is_steady([1, 1]), is_steady([1, None])
        (True, True, False, False)
    """
    if set(map(type, numbers)) != {int}:
        return False
    after = numbers[1:]
    return all(map(lt, numbers, after)) or all(map(gt, numbers, after))


def proof_of(mapping: TableMapping, keys: Collection[str], missing: Collection[str]) -> Proof | None:
    """Return the proof of the order of rows; ``None`` where there is none.

    Args:
        mapping: The mapping of the rows' class.
        keys: The keys of the columns that the rows have values for.
        missing: Those that the database fills in, and that are returned.
    """
    if not missing:
        return Proof()  # nothing is read back, so that the order does not matter
    made = [key for key in mapping.primary_key if key in missing]
    for key in made:
        if isinstance(mapping.table.c[key].type, Integer):
            return Proof(generated=key)
    if made or not mapping.primary_key or not set(mapping.primary_key) <= set(keys):
        return None
    return Proof(given=mapping.primary_key)
