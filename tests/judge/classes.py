"""The kinds of mapped classes, as source text: the same text makes the class on aldis's base and its plain twin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .columns import DRIVERS, ColumnKind

__all__ = ["CLASSES", "ClassKind"]


@dataclass(frozen=True)
class ClassKind:
    """A kind of mapped class, called ``Thing``."""

    name: str
    source: Callable[[str, Sequence[ColumnKind]], str]
    """Makes the text from the name of the table and the columns."""
    models: tuple[str, ...] = ("Thing",)
    """The names of the classes whose instances are made."""
    attributes: tuple[str, ...] = ("id",)
    """Attributes of all of these classes, beside the columns and the tag."""
    generated: tuple[str, ...] = ("id",)
    """Attributes whose values the database makes, where a row is not given them."""
    values: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Values of such attributes, that each row is given: the tag is a name in their texts."""
    drivers: tuple[str, ...] = DRIVERS


def body(columns: Sequence[ColumnKind]) -> str:
    """Return the lines of the tag and the columns."""
    return "\n".join(
        [
            "    tag = mapped_column(Integer, nullable=False)",
            *(f"    {kind.name} = {kind.source}" for kind in columns),
            "",
        ]
    )


def plain(table: str, columns: Sequence[ColumnKind]) -> str:
    return f"""\
class Thing(Base):
    __tablename__ = "{table}"
    id = mapped_column(Integer, primary_key=True)
{body(columns)}"""


CLASSES = {kind.name: kind for kind in [ClassKind("plain", plain)]}
