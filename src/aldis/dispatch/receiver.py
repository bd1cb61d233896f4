"""What a receiver accepts: its signature, and from it the call plan of a send."""

from __future__ import annotations

import functools
import inspect
import sys
import weakref
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any, Final, NamedTuple, NoReturn

from ..errors import SignalError
from .deferral import behind

__all__ = [
    "Accepts",
    "Arrangement",
    "accepts",
    "arrange",
    "describe",
    "name_of_sender",
    "name_of_signal",
    "positional_twin",
    "refuse_priority",
    "refuse_sender",
    "refuse_unknown",
    "short_repr",
    "strong",
]


LONGEST_REPR: Final = 100
"""Characters of a sender's or a signal's repr in a message."""


class Accepts(NamedTuple):
    """The parameters of a receiver, as far as a send is concerned with them."""

    takes_sender: bool
    """There is a positional parameter for the sender."""
    sender_name: str | None
    """What the receiver calls that parameter; ``None`` for ``*args``."""
    positional: tuple[str, ...]
    """The parameters after the sender that may be given by position, in order."""
    keywords: frozenset[str]
    """The parameters that may be given by keyword."""
    required: tuple[str, ...]
    """Those without a default, the sender aside."""
    parameters: tuple[str, ...]
    """All that have a name, the sender aside."""
    everything: bool
    """There is a ``**kwargs``: the receiver takes whatever is sent."""
    is_wrapped: bool = False
    """These are the parameters of a function inside, which a decorator calls."""


ANYTHING = Accepts(
    takes_sender=True,
    sender_name=None,
    positional=(),
    keywords=frozenset(),
    required=(),
    parameters=(),
    everything=True,
)
"""For a callable that does not tell its signature: called as blinker calls it."""


class Arrangement(NamedTuple):
    """How the arguments ``(sender, *values)`` of one send reach one receiver."""

    order: tuple[int, ...] | None
    """Which of them to pass, by index; ``None``: all of them, as they stand."""
    positional: int
    """How many of these go by position, the sender included."""
    keywords: tuple[str, ...]
    """The names of the rest."""
    names_all: bool = False
    """Every parameter of the receiver is sent: see :func:`positional_twin`."""


def accepts(receiver: Callable[..., Any]) -> Accepts:
    """Return what ``receiver`` accepts.

    A decorated function (``__wrapped__``) is called by the names of the function inside, and by keyword only, since
    the decorator may fill a parameter of its own; what it *requires* is what the outermost function requires.

    Args:
        receiver: Any callable.

    Example:
        >>> accepts(lambda sender, instance, **kwargs: None).positional
        ('instance',)
    """
    try:
        outer = inspect.signature(receiver, follow_wrapped=False).parameters.values()
        inner = inspect.signature(receiver).parameters.values() if hasattr(receiver, "__wrapped__") else outer
    except (ValueError, TypeError):
        return ANYTHING
    found = _read(inner)
    return found if inner is outer else found._replace(positional=(), required=_read(outer).required, is_wrapped=True)


def _read(parameters: Iterable[inspect.Parameter]) -> Accepts:
    positional: list[str] = []
    keywords: set[str] = set()
    required: list[str] = []
    named: list[str] = []
    everything = variadic = False
    for parameter in parameters:
        kind = parameter.kind
        if kind is kind.VAR_KEYWORD:
            everything = True
        elif kind is kind.VAR_POSITIONAL:
            variadic = True
        else:
            if kind is not kind.KEYWORD_ONLY:
                positional.append(parameter.name)
            if kind is not kind.POSITIONAL_ONLY:
                keywords.add(parameter.name)
            named.append(parameter.name)
            if parameter.default is parameter.empty:
                required.append(parameter.name)
    sender = positional[0] if positional else None
    return Accepts(
        takes_sender=bool(positional) or variadic,
        sender_name=sender,
        positional=tuple(positional[1:]),
        keywords=frozenset(keywords - {sender}),
        required=tuple(name for name in required if name != sender),
        parameters=tuple(name for name in named if name != sender),
        everything=everything,
    )


@functools.lru_cache(maxsize=4096)
def arrange(accepted: Accepts, names: tuple[str, ...]) -> Arrangement:
    """Plan the call of a receiver that accepts ``accepted`` by a send of ``names``.

    What can go by position does: a call by position costs about half of one by keyword. A receiver with ``**kwargs``
    whose first parameters are the first names gets the send's own argument array, untouched.

    Args:
        accepted: What :func:`accepts` found.
        names: The keywords of the send, in the order of its arguments.

    Example:
        >>> arrange(accepts(lambda sender, values: None), ("instance", "values"))
        Arrangement(order=(0, 2), positional=2, keywords=(), names_all=False)
    """
    where = {name: index for index, name in enumerate(names, 1)}
    by_position = [0]
    for name in accepted.positional:
        if name not in where:
            break
        by_position.append(where.pop(name))
    names_all = (
        accepted.everything
        and not accepted.is_wrapped
        and len(by_position) - 1 == len(accepted.positional) == len(accepted.parameters)
    )
    if accepted.everything and by_position == list(range(len(by_position))):
        return Arrangement(None, len(by_position), names[len(by_position) - 1 :], names_all)
    by_keyword = [name for name in where if accepted.everything or name in accepted.keywords]
    order = (*by_position, *(where[name] for name in by_keyword))
    return Arrangement(order, len(by_position), tuple(by_keyword), names_all)


def positional_twin(receiver: Callable[..., Any]) -> FunctionType | None:
    """Return a copy of a function ``(sender, instance, **kwargs)`` that takes its ``kwargs`` as a dict, by position.

    CPython looks for each keyword of a call among the parameters, twice, before it puts it into ``kwargs``, one by
    one: 200 ns for six. A dict that was made once for all receivers is copied in 40, and a call by position takes 20.
    The copy runs the same code (name, file, lines, closure), and is used only as long as the function's ``__code__``
    is what it was. It hangs on the function itself, under ``__aldis_twin__``, so that it keeps nothing alive that the
    function does not; :func:`functools.wraps` may carry it to another function, where ``__code__`` betrays it.

    Args:
        receiver: A receiver, or a bound method's function.

    Returns:
        The twin; ``None`` for what is no plain function with ``**kwargs`` and without ``*args``.
    """
    if type(receiver) is not FunctionType or sys.implementation.name != "cpython":
        return None
    code = receiver.__code__
    if not code.co_flags & inspect.CO_VARKEYWORDS or code.co_flags & inspect.CO_VARARGS or code.co_kwonlyargcount:
        return None
    known = receiver.__dict__.get("__aldis_twin__")
    if known is None or known[0] is not code:
        copy = code.replace(co_argcount=code.co_argcount + 1, co_flags=code.co_flags & ~inspect.CO_VARKEYWORDS)
        twin = FunctionType(copy, receiver.__globals__, receiver.__name__, None, receiver.__closure__)
        twin.__qualname__, twin.__module__ = receiver.__qualname__, receiver.__module__
        known = receiver.__dict__["__aldis_twin__"] = (code, twin)
    twin_of_code: FunctionType = known[1]
    return twin_of_code


def refuse_unknown(receiver: Callable[..., Any], accepted: Accepts, signal: str, parameters: tuple[str, ...]) -> None:
    """Refuse a receiver of a lifecycle signal that could never be called.

    Args:
        receiver: The receiver, for the message.
        accepted: What it accepts.
        signal: The name of the signal, for the message.
        parameters: All that the signal sends, beside the sender.

    Raises:
        SignalError: It requires a parameter that the signal never sends, or has no place for the sender.
    """
    who = f"{describe(receiver)} cannot receive {signal!r}"
    offer = f"{signal} sends: sender, {', '.join(parameters)}"
    if not accepted.takes_sender:
        raise SignalError(f"{who}: it takes no positional argument, and the sender is one. {offer}.")
    if accepted.sender_name in parameters:
        raise SignalError(
            f"{who}: its first parameter is {accepted.sender_name!r}, where the sender goes; "
            f"put a parameter 'sender' before it. {offer}."
        )
    for name in accepted.required:
        if name not in parameters:
            import difflib

            near = difflib.get_close_matches(name, parameters, n=1, cutoff=0.0)
            raise SignalError(
                f"{who}: it requires {name!r}, which the signal never sends; did you mean {near[0]!r}? {offer}."
            )


def refuse_priority(priority: object) -> NoReturn:
    """Refuse a priority that is no integer.

    Raises:
        SignalError: Always.
    """
    raise SignalError(
        f"the priority of a receiver cannot be {short_repr(priority)}: it is an int, 0 by default, a higher one first."
    )


def refuse_sender(signal: str, sender: object, senders: Iterable[str]) -> NoReturn:
    """Refuse a sender that a signal with a fixed set of senders does not have.

    Raises:
        SignalError: Always.
    """
    raise SignalError(
        f"{signal} cannot be sent by {short_repr(sender)}; its senders are {', '.join(map(repr, senders))}."
    )


def describe(receiver: object) -> str:
    """Name a receiver for a message: ``module.qualname``, or its repr where it has none.

    Example:
        >>> describe(len)
        'builtins.len'
    """
    receiver = behind(receiver)
    name = getattr(receiver, "__qualname__", None)
    module = getattr(receiver, "__module__", None)
    if not isinstance(name, str):
        return short_repr(receiver)
    return f"{module}.{name}" if isinstance(module, str) else name


def name_of_sender(sender: object) -> str:
    """Name a sender for a message: a class as :func:`describe` does, anything else by its repr."""
    return describe(sender) if isinstance(sender, type) else short_repr(sender)


def name_of_signal(signal: object, nameless: str = "a signal without a name") -> str:
    """Return the name of a signal, or ``nameless``; a signal of blinker's may have none."""
    name = getattr(signal, "name", None)
    return name if isinstance(name, str) else nameless


def short_repr(value: object) -> str:
    """Return a short repr that cannot raise: an error's note must not replace the error."""
    try:
        text = repr(value)
    except Exception:
        text = object.__repr__(value)
    return text if len(text) <= LONGEST_REPR else f"{text[: LONGEST_REPR - 3]}..."


def strong(reference: weakref.ref[Any] | Callable[..., Any]) -> Callable[..., Any] | None:
    """Return the receiver behind an entry of ``signal.receivers``, or ``None`` when it is gone."""
    return reference() if isinstance(reference, weakref.ref) else reference
