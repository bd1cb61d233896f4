"""Fire a lifecycle signal of a model, if anybody listens."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ...context import DISABLED, current
from ...dispatch import emitters
from ...dispatch.on_request import asking_of
from ...errors import SkipOperation

if TYPE_CHECKING:
    import blinker

    from ...dispatch.broadcaster import Broadcaster
    from ...dispatch.on_request import Asking
    from .differences import Changed, Differences

__all__ = ["NOTHING_PASSED", "Asked", "are_heard", "asked_of", "fire", "is_heard", "of_one", "telling"]

EMITTERS: Final[dict[str, Callable[..., Any]]] = {name: getattr(emitters, name) for name in emitters.__all__}
NOTHING: Final[AbstractContextManager[None]] = nullcontext()
NOTHING_PASSED: Final[Mapping[str, Any]] = MappingProxyType({})
"""The values of an instance that was passed as it is, or that a flush has found."""
are_off: Final = DISABLED.get
"""Tell whether signals are turned off. Bound once: a save asks four times, and Python 3.11 binds it anew each time."""


def is_heard(signal: blinker.Signal, model: type[Any]) -> bool:
    """Tell whether anybody listens to the signal of a model, and signals are not turned off."""
    return signal.has_receivers_for(model) and not are_off()


def are_heard(signals: Broadcaster, kind: str, model: type[Any]) -> bool:
    """Tell whether anybody listens to one of the two signals of a kind: ``"save"``, ``"bulk"`` and so on."""
    return is_heard(signals[f"pre_{kind}"], model) or is_heard(signals[f"post_{kind}"], model)


def telling(
    signals: Broadcaster,
    kind: str,
    model: type[Any],
    caller: object,
    instance: object,
    named: Collection[str] | None,
) -> AbstractContextManager[None]:
    """Return the block in which the context variables tell receivers of a call; an empty one where nobody listens.

    Args:
        signals: The model's signals.
        kind: ``"save"``, ``"update"`` or ``"delete"``.
        model: The sender.
        caller: The object that the call was made on.
        instance: The instance that is written, if it is one.
        named: The names of the attributes that the caller named.
    """
    if are_heard(signals, kind, model):
        return current(caller, instance, named)
    return NOTHING


async def fire(signals: Broadcaster, name: str, model: type[Any], *values: Any) -> bool:
    """Fire the signal of that name; return whether a receiver asked to skip the operation.

    Args:
        signals: The model's signals.
        name: ``"pre_save"``, and so on.
        model: The sender.
        values: The signal's parameters, in the order of the reference.

    Raises:
        SkipOperation: A receiver of a ``post_*`` signal raised it, when there is nothing left to skip.
    """
    signal = signals[name]
    if not is_heard(signal, model):
        return False
    try:
        rest = EMITTERS[name](signal, model, *values)
        if rest is not None:
            await rest
    except SkipOperation:
        if name.startswith("post_"):
            raise
        return True
    return False


class Asked(NamedTuple):
    """Who asks for ``changes``."""

    before: Asking | None
    """The question of the receivers of the signal before."""
    after: Asking | None
    """That of those of the signal after."""


def asked_of(signals: Broadcaster, kind: str, model: type[Any], is_update: bool) -> Asked | None:
    """Return the questions of the receivers of the two signals of a kind; ``None`` if they have none.

    Args:
        signals: The model's signals.
        kind: ``"save"`` or ``"update"``.
        model: The sender.
        is_update: The rows are stored; else they are new.
    """
    if are_off():
        return None
    asked = Asked(*[asking_of(signals[f"{when}_{kind}"], model, is_update) for when in ("pre", "post")])
    return None if asked.before is None and asked.after is None else asked


def of_one(changes: list[Changed] | Differences | None) -> Changed | None:
    """Return the changes of the only row."""
    return None if changes is None else changes[0]
