"""Positional twins: a function ``(sender, instance, **kwargs)`` that takes its ``kwargs`` as a dict, by position.

CPython looks for each keyword of a call among the parameters, twice, before it puts it into ``kwargs``, one by one:
200 ns for six. A dict that is made once for all receivers is handed over in none, and a call by position takes 20. The
twin runs the same code (name, file, lines, closure). Where a profiler or a monitoring tool looks at code objects, the
plans call the functions themselves.
"""

from __future__ import annotations

import sys
import weakref
from types import FunctionType
from typing import Any, Final

from .code_facts import facts_of

__all__ = ["HAS_TWINS", "hung_twin", "tools_are_on", "twin_of"]

HAS_TWINS: Final = sys.implementation.name == "cpython"
NAME: Final = "__aldis_twin__"


def twin_of(function: FunctionType) -> FunctionType:
    """Return a new twin of a function whose code has one."""
    facts = facts_of(function.__code__)
    if facts.positional_code is None:
        raise ValueError(f"{function!r} takes *args, or neither **kwargs nor keyword-only parameters: it has no twin")
    if facts.twin_maker is None:
        twin = FunctionType(facts.positional_code, function.__globals__, None, None, function.__closure__)
    else:
        twin = FunctionType(facts.twin_maker, function.__globals__, None, None, function.__closure__)()
    twin.__name__, twin.__qualname__ = function.__name__, function.__qualname__
    twin.__module__ = function.__module__
    return twin


class HungTwin:
    """A twin that hangs on its function, and says whose it is: decorators copy a function's ``__dict__``.

    Args:
        function: The function; it is not kept alive.
    """

    __slots__ = ("code", "owner", "twin")

    def __init__(self, function: FunctionType) -> None:
        self.owner = weakref.ref(function)
        self.code = function.__code__
        self.twin = twin_of(function)

    def __reduce__(self) -> tuple[Any, ...]:
        """Let a function that is pickled by value leave it behind."""
        return (str, ())


def hung_twin(function: FunctionType) -> FunctionType:
    """Return the twin that hangs on a weakly referenced function, made where there is none of its own.

    A plan must not hold it: its closure may lead back to the receiver, which would never die then.
    """
    hung = function.__dict__.get(NAME)
    if type(hung) is not HungTwin or hung.owner() is not function or hung.code is not function.__code__:
        hung = function.__dict__[NAME] = HungTwin(function)
    return hung.twin


NO_TOOLS: Final = {None}
"""The names of the tools where there is none."""

if sys.version_info >= (3, 12):

    def tools_are_on() -> bool:
        """Tell whether a tool looks at calls: a profiler, a debugger, a coverage tool."""
        return sys.getprofile() is not None or set(map(sys.monitoring.get_tool, range(6))) != NO_TOOLS

else:

    def tools_are_on() -> bool:
        """Tell whether a tool looks at calls: a profiler, a debugger, a coverage tool."""
        return sys.getprofile() is not None
