"""Strict mode: statements over many rows are refused where receivers would miss rows.

The querysets' ``update()`` and ``delete()`` ask before they fire their signals, and so do the statements of a session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...context import STRICT
from ...dispatch.receiver import describe
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
    """Refuse a statement over many rows in strict mode, if somebody listens to the model or to a class below it.

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
                if is_heard(signal, mapper.class_):
                    receiver = next(iter(signal.receivers_for(mapper.class_)))
                    setting = "aldis.strict()" if is_here else "Database(strict=True)"
                    raise RefusedError(
                        f"{call} is refused by {setting}: {describe(receiver)} listens to {when}_{kind} of "
                        f"{mapper.class_.__name__}, and would not be told of each row. Instead, {INSTEAD[statement]}, "
                        "or run the call outside of strict mode."
                    )
