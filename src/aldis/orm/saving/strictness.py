"""Strict mode: statements over many rows are refused where receivers would miss rows.

The querysets' ``update()`` and ``delete()`` ask before they fire their signals, and so do the statements of a session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...context import STRICT
from ...dispatch.receiver import describe
from ...dispatch.row_receivers import deaf_to_rows
from ...errors import RefusedError
from ..mapping.table import mapper_of
from ..meta import meta_of
from ..transactions.settings import STRICT_ENGINES
from .firing import is_heard

if TYPE_CHECKING:
    from sqlalchemy import Engine

__all__ = ["is_strict", "refuse_untold"]

KINDS: Final = {"INSERT": ("save",), "UPDATE": ("save", "update"), "DELETE": ("delete",)}
"""The signals whose receivers want to hear of the rows of a statement."""

INSTEAD: Final = {
    "INSERT": "create the instances (bulk_create)",
    "UPDATE": "update the instances (bulk_update, or save() of each)",
    "DELETE": "delete the instances, one by one",
}


def is_strict() -> bool:
    """Tell whether a statement has to be looked at: the context is strict, or any database is."""
    return STRICT.get() or bool(STRICT_ENGINES)


def refuse_untold(model: type[Any], statement: str, call: str, engine: Engine) -> None:
    """Refuse a statement over many rows in strict mode, if a receiver of the model or of a class below it misses rows.

    One that was connected with ``rows=True`` misses none.

    Args:
        model: The model.
        statement: "INSERT", "UPDATE" or "DELETE".
        call: The call, for the message.
        engine: The engine that is to run it.

    Raises:
        RefusedError: Somebody does.
    """
    is_here = STRICT.get()
    if not is_here and engine not in STRICT_ENGINES:
        return
    for mapper in mapper_of(model).self_and_descendants:
        signals = meta_of(mapper.class_).signals
        for kind in KINDS[statement]:
            for when in ("pre", "post"):
                signal = signals[f"{when}_{kind}"]
                receiver = deaf_to_rows(signal, mapper.class_) if is_heard(signal, mapper.class_) else None
                if receiver is not None:
                    setting = "aldis.strict()" if is_here else "Database(strict=True)"
                    way_out = "connect it with rows=True, or " if kind != "save" else ""
                    raise RefusedError(
                        f"{call} is refused by {setting}: {describe(receiver)} listens to {when}_{kind} of "
                        f"{mapper.class_.__name__}, and would not be told of each row. Instead, "
                        f"{way_out}{INSTEAD[statement]}, or run the call outside of strict mode."
                    )
