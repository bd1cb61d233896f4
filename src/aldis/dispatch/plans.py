"""Plans: for each sender a Python function that calls its receivers, rendered with one call site a receiver.

CPython enters a Python function from Python without leaving its interpreter loop, and specialises each call site: a
rendered plan costs as much as the calls by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from . import core
from .delivery import Watched, rest, started
from .plan_code import FIRE, SEND, Context, make_function
from .records import Receiver
from .sites import has_twin
from .twins import tools_are_on

if TYPE_CHECKING:
    import weakref

__all__ = ["note_of_last", "render", "rest_of_plan", "start"]

SEEN_BEFORE: Final = 2
"""Sends of the same keywords that go the slow way before a plan is rendered for them, which takes 150 microseconds:
a caller that sends ``**row`` could have any number of sets of keywords."""
MOST_ASKED: Final = 1024
ASKED: Final[dict[tuple[str, ...], int]] = {}


def note_of_last(plan: Callable[..., Any], error: Exception, sender: Any) -> None:
    """Note on an error at which receiver it came up, where a plan has returned the coroutine of its last receiver.

    Whoever calls a plan and awaits its awaitable calls this when that raises; the plan is not there any more. All
    other errors have their note already.

    Args:
        plan: The result of :meth:`Signal.plan`.
        error: The exception that was raised.
        sender: The sender.
    """
    names = plan.__code__.co_freevars
    if "context0" not in names:
        return
    context = (plan.__closure__ or ())[names.index("context0")].cell_contents
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code is plan.__code__:
            return  # raised inside the plan, which has noted it
        traceback = traceback.tb_next
    if isinstance(context, Context) and context.plan_code.returns_coroutine:
        context.note_at(error, sender, len(context.records) - 1)


def start(plan: Callable[..., Any], rest: Any, sender: Any) -> Coroutine[Any, Any, None] | None:
    """Start the coroutine of a plan; return ``None`` if it has finished, else an awaitable of the rest."""
    return started(rest, lambda error: note_of_last(plan, error, sender))


def rest_of_plan(waiting: Any, yielded: Any, plan: Callable[..., Any], sender: Any) -> Coroutine[Any, Any, None]:
    """Return an awaitable of the rest of a plan's coroutine that has begun."""
    return rest(waiting, yielded, lambda error: note_of_last(plan, error, sender))


def render(
    reference: weakref.ref[Any],
    plan: core.Plan,
    kind: int,
    names: tuple[str, ...],
    with_twins: bool,
) -> Callable[..., Any] | None:
    """Return the function of a plan for some names, and have the plan keep it; ``None``: deliver it the slow way.

    Args:
        reference: A weak reference to the signal.
        plan: The receivers.
        kind: The kind of the function.
        names: The names of the values, in order.
        with_twins: Whether receivers may be called through their positional twins.
    """
    function: Callable[..., Any] | None = None
    if plan.watched is not None or any(type(name) is not str for name in names):
        if kind == FIRE:
            stands = plan.watched if plan.watched is not None else Watched(reference(), plan.receivers)
            function = stands.fire_by_position(names)
    elif kind == FIRE or all(can_be_rendered(record, kind) for record in plan.receivers):
        if kind != FIRE and not is_seen_before(names):
            return None
        if with_twins and any(has_twin(record, names) for record in plan.receivers):
            plan.has_twins = True  # from now on each send asks whether a tool looks at its receivers
            with_twins = not tools_are_on()
        function = make_function(reference, plan.receivers, names, kind, with_twins)
    plan.remember(kind, names, with_twins, function)
    return function


def can_be_rendered(record: Receiver, kind: int) -> bool:
    """Tell whether a send's call of a receiver is rendered: not if it is refused, left out, or needs a wrapper."""
    if record.options.when is not None:
        return False
    return not record.is_async if kind == SEND else record.is_async and not record.waits


def is_seen_before(names: tuple[str, ...]) -> bool:
    """Tell whether a send of these names has been seen often enough to compile a plan for it."""
    times = ASKED.get(names, 0)
    if times < SEEN_BEFORE:
        if len(ASKED) >= MOST_ASKED:
            ASKED.clear()
        ASKED[names] = times + 1
        return False
    return True
