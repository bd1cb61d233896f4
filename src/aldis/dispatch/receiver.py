"""The parameters that a receiver accepts: read from its code, or from its signature where it has none of Python's."""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable, Iterable, Iterator
from types import FunctionType, MethodType
from typing import Any, Final, NamedTuple, NoReturn

from ..errors import SignalError
from ..suggestions import did_you_mean
from .code_facts import facts_of
from .deferral import behind
from .on_request import CHANGES, hidden_in

__all__ = [
    "ANYTHING",
    "ANYTHING_ASKED",
    "Accepts",
    "Form",
    "accepts",
    "describe",
    "functions_of",
    "name_of_sender",
    "name_of_signal",
    "plain_function",
    "refuse_priority",
    "refuse_sender",
    "refuse_unknown",
    "short_repr",
    "strong",
]


LONGEST_REPR: Final = 100
"""Characters of a sender's or a signal's repr in a message."""

MOST_FORMS: Final = 64
"""Sets of keywords that are remembered for a signature; a caller that sends ``**row`` could have any number."""


class Form(NamedTuple):
    """How the arguments of a send, ``(sender, *values)``, reach one receiver; all by their index, 0 the sender."""

    positions: tuple[int, ...]
    """Those that go by position."""
    keywords: tuple[int, ...]
    """Those that go by keyword."""
    twin: tuple[int, ...] | None = None
    """Those that go to the receiver's positional twin; ``None``: it has none for these keywords."""
    packed: tuple[int, ...] | None = None
    """Those that the twin gets as a dict, in the place of its ``kwargs``; ``None``: it takes no dict."""


class Accepts:
    """The parameters of a receiver, as far as a send is concerned with them.

    Nothing changes it. It is no dataclass, whose making takes a tenth of the import of signals.

    Args:
        takes_sender: There is a positional parameter for the sender.
        sender_name: The receiver's name of that parameter; ``None`` for ``*args``, or one that is positional only.
        given: The names of the parameters that are given already, the sender's and a method's owner's. A keyword of the
            same name is passed all the same: the call raises TypeError, as one by hand does.
        positional: The parameters after the sender that may be given by position, in order.
        keywords: The parameters that may be given by keyword.
        required: Those without a default, the sender aside.
        parameters: All that have a name, the sender aside.
        everything: There is a ``**kwargs``: the receiver takes whatever is sent.
        keyword_only: Of a plain function its keyword-only parameters, which its positional twin takes by position.
        may_have_twin: A plain function that may get a positional twin.
    """

    def __init__(
        self,
        *,
        takes_sender: bool,
        sender_name: str | None,
        given: frozenset[str],
        positional: tuple[str, ...],
        keywords: frozenset[str],
        required: tuple[str, ...],
        parameters: tuple[str, ...],
        everything: bool,
        keyword_only: tuple[str, ...] = (),
        may_have_twin: bool = False,
    ) -> None:
        self.takes_sender = takes_sender
        self.sender_name = sender_name
        self.given = given
        self.positional = positional
        self.keywords = keywords
        self.required = required
        self.parameters = parameters
        self.everything = everything
        self.keyword_only = keyword_only
        self.may_have_twin = may_have_twin
        self.forms: dict[tuple[str, ...], Form] = {}

    def form(self, names: tuple[str, ...]) -> Form:
        """Return how a send of ``names`` reaches the receiver.

        Example:
            >>> accepts(lambda sender, values: None).form(("instance", "values"))
            Form(positions=(0, 2), keywords=(), twin=None, packed=None)
        """
        found = self.forms.get(names)
        if found is None:
            if len(self.forms) >= MOST_FORMS:
                self.forms.clear()
            found = self.forms[names] = self._form(names)
        return found

    def _form(self, names: tuple[str, ...]) -> Form:
        """A call by position costs about half of one by keyword, so parameters that can go by position do."""
        where = {name: index for index, name in enumerate(names, 1)}
        hidden = hidden_in(names)
        if hidden is not None and hidden not in self.parameters:
            del where[hidden]
        positions = [0]
        for name in self.positional:
            if name not in where:
                break
            positions.append(where.pop(name))
        taken = [name for name in where if self.everything or name in self.keywords or name in self.given]
        keywords = tuple(where[name] for name in taken)
        is_whole = (
            self.may_have_twin
            and len(positions) - 1 == len(self.positional)
            and self.given.isdisjoint(where)
            and all(name in where for name in self.keyword_only)
        )
        if not is_whole:
            return Form(tuple(positions), keywords)
        by_position = (*positions, *(where.pop(name) for name in self.keyword_only))
        return Form(tuple(positions), keywords, by_position, tuple(where.values()) if self.everything else None)


def anything(*parameters: str) -> Accepts:
    """Return the parameters of a callable that does not tell its signature, and those that it asks for by name."""
    return Accepts(
        takes_sender=True,
        sender_name=None,
        given=frozenset(),
        positional=(),
        keywords=frozenset(),
        required=(),
        parameters=parameters,
        everything=True,
    )


ANYTHING: Final = anything()
"""For a callable that does not tell its signature: called as blinker calls it."""

ANYTHING_ASKED: Final = anything(CHANGES)
"""The same, with the parameter that is hidden from others."""


def plain_function(receiver: object) -> tuple[FunctionType, int] | None:
    """Return the Python function that a call of ``receiver`` enters, and how many arguments are bound already.

    ``None`` for a function in C, a partial, a class.
    """
    if type(receiver) is FunctionType:
        return receiver, 0
    if type(receiver) is MethodType:
        return (receiver.__func__, 1) if type(receiver.__func__) is FunctionType else None
    call = inspect.getattr_static(type(receiver), "__call__", None)
    return (call, 1) if type(call) is FunctionType else None


def functions_of(receiver: object) -> Iterator[FunctionType]:
    """Yield the Python functions whose code decides how ``receiver`` is called: those that it wraps included."""
    seen: set[int] = set()
    while id(receiver) not in seen:
        seen.add(id(receiver))
        if (plain := plain_function(receiver)) is not None:
            yield plain[0]
            receiver = plain[0] if type(receiver) is MethodType else receiver
        # Not by getattr: a mock has any attribute, a new one for each that is asked for.
        inside: object
        if isinstance(receiver, functools.partial):
            inside = receiver.func
        else:
            inside = getattr(receiver, "__dict__", {}).get("__wrapped__")
        if inside is None or not callable(inside):
            return
        receiver = inside


def accepts(receiver: Callable[..., Any]) -> Accepts:
    """Return the parameters that ``receiver`` accepts.

    A plain function is read from its code: a ``__signature__`` may say something else. A decorated one
    (``__wrapped__``, or a ``__signature__`` beside ``**kwargs``) is called by the names of the function inside, and by
    keyword only, since the decorator may fill a parameter of its own; the decorator's required parameters count.

    Args:
        receiver: Any callable.

    Example:
        >>> accepts(lambda sender, instance, **kwargs: None).positional
        ('instance',)
    """
    plain = plain_function(receiver)
    if plain is None:
        try:
            return _read(inspect.signature(receiver).parameters.values())
        except (ValueError, TypeError):
            return ANYTHING
    function, bound = plain
    own = _read_code(function, bound)
    told = receiver if bound and type(receiver) is not MethodType else function
    attributes = getattr(told, "__dict__", {})
    if not own.everything or not ("__wrapped__" in attributes or "__signature__" in attributes):
        return own
    try:
        inner = _read(inspect.signature(receiver).parameters.values())
    except (ValueError, TypeError):
        return own
    if inner.everything and "__wrapped__" not in attributes:
        return own
    names = tuple(dict.fromkeys((*own.parameters, *inner.parameters)))
    return Accepts(
        takes_sender=own.takes_sender,
        sender_name=own.sender_name,
        given=own.given,
        positional=(),
        keywords=own.keywords | inner.keywords,
        required=own.required,
        parameters=names,
        everything=inner.everything,
        keyword_only=inner.keyword_only,
        may_have_twin=inner.may_have_twin,
    )


def _read_code(function: FunctionType, bound: int) -> Accepts:
    """Read the parameters of a Python function of whose arguments the first ``bound`` are given already."""
    facts = facts_of(function.__code__)
    key = bound, len(function.__defaults__ or ()), tuple(function.__kwdefaults__ or ())
    found = facts.accepted.get(key)
    if found is None:
        found = facts.accepted[key] = _accepts_of_code(function, bound)
    return found


def _accepts_of_code(function: FunctionType, bound: int) -> Accepts:
    positional, only, keyword_only, variadic, everything = facts_of(function.__code__).parameters
    defaults = len(function.__defaults__ or ())
    required = [*positional[bound : len(positional) - defaults], *keyword_only]
    required = [name for name in required if name not in (function.__kwdefaults__ or ())]
    sender = positional[bound] if len(positional) > bound else None
    rest = positional[bound + 1 :]
    hidden = set(positional[bound + 1 : only])
    """Positional-only parameters after the sender: a call by name leaves them to ``kwargs``."""
    return Accepts(
        takes_sender=sender is not None or variadic,
        sender_name=None if only > bound else sender,
        given=frozenset(positional[only : bound + 1]),
        positional=() if everything and hidden else rest,
        keywords=frozenset(name for name in (*rest, *keyword_only) if name not in hidden),
        required=tuple(name for name in required if name != sender),
        parameters=(*rest, *keyword_only),
        everything=everything,
        keyword_only=keyword_only,
        may_have_twin=not variadic and not hidden and (everything or bool(keyword_only)),
    )


def _read(parameters: Iterable[inspect.Parameter]) -> Accepts:
    """Read the parameters that a signature tells."""
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
    by_name = sender in keywords
    return Accepts(
        takes_sender=bool(positional) or variadic,
        sender_name=sender if by_name else None,
        given=frozenset((sender,) if by_name and sender is not None else ()),
        positional=tuple(positional[1:]),
        keywords=frozenset(keywords - {sender}),
        required=tuple(name for name in required if name != sender),
        parameters=tuple(name for name in named if name != sender),
        everything=everything,
    )


def refuse_unknown(receiver: Callable[..., Any], accepted: Accepts, signal: str, parameters: tuple[str, ...]) -> None:
    """Refuse a receiver of a lifecycle signal that could never be called.

    Args:
        receiver: The receiver, for the message.
        accepted: The parameters that it accepts.
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
            near = of_django(name, parameters) or did_you_mean(name, parameters, cutoff=0.0)
            raise SignalError(f"{who}: it requires {name!r}, which the signal never sends.{near} {offer}.")


DJANGO: Final = {
    "created": ("is_update", "Django's created is `not is_update` here."),
    "raw": ("is_migration", "Django's raw has no like here: load fixtures inside aldis.signals_disabled()."),
    "update_fields": ("values", "Django's update_fields are the names in `values` here."),
    "using": ("instance", "Django's using has no like here: a receiver's queries run in the signal's own transaction."),
    "origin": ("instance", "Django's origin is `instance` here."),
}
"""Parameters of Django's signals: a parameter that the like signal of ours sends, and the advice."""


def of_django(name: str, parameters: tuple[str, ...]) -> str:
    """Return a sentence, after a blank, on a parameter of Django's signals; empty for any other."""
    known, sentence = DJANGO.get(name, ("", ""))
    return f" {sentence}" if known in parameters else ""


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
