"""The calls that wait for a commit, and the values that their receivers may read of instances.

A session expires its instances at the commit (``expire_on_commit``), and cannot be asked for their values before its
transaction is over for good. So a call takes along the values that its instances had when the signal fired.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import InvalidRequestError, MissingGreenlet
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.orm.exc import DetachedInstanceError

from ...context import CURRENT_MODEL_INSTANCE
from ...dispatch.batching import Batch
from ...dispatch.deferral import Call, Deferred, Queue, undone
from ..mapping.instance_state import STATE, expire_again, show_again
from .scope import SCOPE

if TYPE_CHECKING:
    from asyncio import CancelledError

    from sqlalchemy.orm import InstanceState

    from .rollback import RollbackScope
    from .scope import Scope

__all__ = ["CommitCall", "CommitQueue"]

NOT_LOADED: Final = (DetachedInstanceError, InvalidRequestError, MissingGreenlet)
"""The errors that SQLAlchemy raises for an attribute that it cannot load."""


class CommitCall(Call):
    """The call of a receiver that waits for the end of a transaction, and the values of its instances."""

    __slots__ = ("kept", "named", "row", "scope")

    def __init__(self, waits: Deferred, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        super().__init__(waits, args, kwargs)
        self.kept = [(state, state.dict.copy()) for state in states_of(args, kwargs) if state.session_id is not None]
        self.scope = SCOPE.get()
        """Where the signal was fired."""
        told = CURRENT_MODEL_INSTANCE.get(None)
        self.row = None if told is None else row_of(instance_state(told))
        """The row of a receiver that names no instance; for messages, and so without keeping the instance alive."""
        self.named = self.rows_named() if waits.on_rollback else ""
        """The rows, where the instances do not know their keys any more afterwards."""

    def __str__(self) -> str:
        """Return the rows that the receiver was told of."""
        return self.named or self.rows_named()

    def rows_named(self) -> str:
        """Return the names of the rows, as the instances have them now."""
        rows = list(dict.fromkeys(row_named(*row_of(state)) for state in states_of(self.args, self.kwargs)))
        if not rows:
            return super().__str__() if self.row is None else row_named(*self.row)
        return rows[0] if len(rows) == 1 else f"{rows[0]} and {len(rows) - 1} others"

    def is_inside(self, scope: Any) -> bool:
        """Tell whether the signal was fired inside an operation."""
        around: Scope | None = self.scope
        while around is not None and around is not scope:
            around = around.parent
        return around is not None

    def advice(self, error: Exception) -> str | None:
        """Return the advice on an attribute that is not loaded."""
        if not isinstance(getattr(error, "orig", error), NOT_LOADED):
            return None
        return (
            "after the end of the transaction, a receiver can read of an instance what was loaded or written when its "
            "signal fired. Load the rest before, in a receiver that does not wait for it, or read it here by a query."
        )

    async def make(self, is_committed: bool) -> None:
        """Call the receiver; meanwhile its instances have the values of then."""
        shown = [(state, show_again(state, values)) for state, values in self.kept]
        try:
            await super().make(is_committed)
        finally:
            for state, names in shown:
                expire_again(state, names)


class CommitQueue(Queue):
    """The calls that wait for the end of a transaction of SQLAlchemy's."""

    is_committed = False
    """The transaction has committed."""
    cancelled: CancelledError | None = None
    """The cancellation that came during the COMMIT."""

    def add(self, waits: Deferred, args: tuple[Any, ...], kwargs: dict[str, Any], /) -> None:
        """Let a call wait; of an operation that was rolled back meanwhile, only one that waits for that."""
        call = CommitCall(waits, args, kwargs)
        if call.scope is None or not call.scope.is_undone or undone(call):
            self.calls.append(call)

    def ended(self, rollback: RollbackScope) -> None:
        """Take note that operations in a transaction of somebody else's are over; the scope would undo them."""

    def here(self) -> Any:
        """Return the scope that the current context is in."""
        return SCOPE.get()

    def drops(self) -> bool:
        """Tell whether the signal is fired by an operation that was rolled back with the transaction."""
        scope = SCOPE.get()
        return scope is not None and scope.is_undone


def states_of(args: Iterable[Any], kwargs: dict[str, Any]) -> Iterator[InstanceState[Any]]:
    """Yield the states of the instances that a receiver is told of, each once."""
    seen: set[int] = set()
    for value in (*args, *kwargs.values()):
        for each in instances_of(value):
            state = getattr(each, "__dict__", {}).get(STATE)
            if state is not None and id(state) not in seen:
                seen.add(id(state))
                yield state


def instances_of(value: Any) -> Iterable[Any]:
    """Return the instances that a keyword's value may be: itself, or those of a batch or of a relation."""
    if not isinstance(value, Batch):
        return value if type(value) is list and value and hasattr(value[0], STATE) else (value,)
    found = [each for name in ("instance", "model_instance") if name in value.names for each in value.column(name)]
    for related in value.column("related") if "related" in value.names else ():
        found += related or ()
    return found


def row_of(state: InstanceState[Any]) -> tuple[str, tuple[Any, ...]]:
    """Return the row of an instance in words: the name of its class, and the row's key."""
    return state.class_.__name__, tuple(state.identity or ())


def row_named(model: str, key: tuple[Any, ...]) -> str:
    """Return the name of a row."""
    return f"{model} {', '.join(map(str, key))}" if key else f"a {model} without a key"
