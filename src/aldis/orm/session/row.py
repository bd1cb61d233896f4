"""One row of a flush: who listens, the parameters of its signals, and the request of an instance's own method."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.orm import InstanceState

from ...dispatch.on_request import may_ask
from ..mapping.facts import table_of_rows
from ..mapping.table import TableMapping, mapper_of, mapping_of
from ..meta import meta_of
from ..saving.firing import NOTHING_PASSED, asked_of, is_heard

if TYPE_CHECKING:
    import blinker

    from ..saving.row_changes import Changes

__all__ = ["ASKED", "Asked", "Heard", "Row", "can_be_told"]


class Asked:
    """The request of a caller of an instance's own ``save()``, ``update()`` or ``delete()``.

    Args:
        kind: ``"save"``, ``"update"`` or ``"delete"``.
        values: The values that the caller named.
    """

    def __init__(self, kind: str, values: dict[str, Any]) -> None:
        self.kind = kind
        self.values = values
        self.skipped = False


ASKED: Final[dict[InstanceState[Any], Asked]] = {}
"""The instances whose own method is waiting for the flush that is to come."""


KINDS: Final = ("save", "update", "delete")


class Heard:
    """Who listens to a model class: its signals before and after, where anybody does."""

    __slots__ = ("asked", "mapping", "model", "post", "post_save", "pre", "pre_save")

    def __init__(self, model: type[Any]) -> None:
        signals = meta_of(model).signals
        self.model = model
        self.mapping: TableMapping = mapping_of(model)
        self.pre: dict[str, blinker.Signal] = {}
        self.post: dict[str, blinker.Signal] = {}
        for kind in KINDS:
            for when, found in (("pre", self.pre), ("post", self.post)):
                signal = signals[f"{when}_{kind}"]
                if is_heard(signal, model):
                    found[kind] = signal
        kinds = (("save", False), ("save", True), ("update", True)) if may_ask(model) else ()
        self.asked = {
            each: asked for each in kinds if (asked := asked_of(signals, each[0], model, each[1])) is not None
        }
        """Who asks for ``changes``, by the kind of the signals, and by whether rows are stored."""
        self.pre_save = self.pre.get("save")
        self.post_save = self.post.get("save")


def can_be_told(model: type[Any]) -> bool:
    """Tell whether a class has a table, or somebody listens to it nevertheless, who is told that it has none."""
    if table_of_rows(mapper_of(model)) is not None:
        return True
    signals = meta_of(model).signals
    return any(is_heard(signals[f"{when}_{kind}"], model) for when in ("pre", "post") for kind in KINDS)


class Row:
    """One row of the flush, and the parameters of its signals."""

    __slots__ = (
        "asked",
        "changed",
        "changes",
        "column_values",
        "count",
        "filled",
        "heard",
        "instance",
        "is_linked",
        "is_update",
        "kind",
        "skipped",
        "state",
        "values",
    )

    def __init__(
        self,
        heard: Heard,
        state: InstanceState[Any],
        kind: str,
        asked: Asked | None,
        column_values: dict[str, Any],
        filled: tuple[tuple[str, str], ...] = (),
        changed: Collection[str] = (),
    ) -> None:
        self.heard = heard
        self.state = state
        self.instance = state.obj()
        self.kind = kind
        self.is_update = state.key is not None
        self.asked = asked
        self.values: Mapping[str, Any] = NOTHING_PASSED if asked is None else asked.values
        self.column_values = column_values
        self.filled = filled
        """The defaults in it, by name and key; the instance gets them too, and the flush does not make them again."""
        self.changed = changed
        """The attributes of a stored instance that were changed, before the flush made anything."""
        self.changes: Changes | None = None
        """Makes ``changes``, if a receiver asks."""
        self.is_linked = False
        """SQLAlchemy writes it as a row of a secondary table."""
        self.skipped = False
        self.count = 1

    def skip(self) -> None:
        """Take note that a receiver has left it out."""
        self.skipped, self.count = True, 0
        if self.asked is not None:
            self.asked.skipped = True
