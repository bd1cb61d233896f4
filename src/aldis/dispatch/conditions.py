"""Conditions of connections: ``connect(..., when=condition)``, judged when the signal is sent."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import SignalError
from ..suggestions import did_you_mean
from .on_request import CHANGES, hidden_in
from .receiver import Form, describe, short_repr

__all__ = ["ChangeTest", "Condition", "condition_of"]


class ChangeTest:
    """What a condition asks of a row's ``changes``; compared by identity.

    Args:
        names: One of these attributes has to differ; none: any attribute.
        was: The old value that it has to have had, as the only item; none: any value.
        to: The new value that it has to have, likewise.
    """

    __slots__ = ("names", "to", "was")

    def __init__(self, names: frozenset[str], was: tuple[Any, ...], to: tuple[Any, ...]) -> None:
        self.names, self.was, self.to = names, was, to


class Condition:
    """A condition, and which of the signal's parameters it takes; combined by ``&``, ``|`` and ``~``.

    Args:
        function: A plain function of some of the signal's parameters, by their names, ``sender`` among them.

    Raises:
        SignalError: It is not callable, a coroutine function, or has a parameter that cannot be given by name.

    Example:
        >>> is_large = Condition(lambda amount: amount > 100)
        >>> (is_large & ~Condition(lambda sender: sender == "test")).holds("shop", {"amount": 500})
        True
    """

    __slots__ = ("attributes", "everything", "function", "is_own", "looks_at", "parameters", "required", "tests")

    def __init__(self, function: Callable[..., object]) -> None:
        if not callable(function):
            raise SignalError(
                f"when={short_repr(function)}: a condition is a function of the signal's parameters, "
                f"and a {type(function).__name__} is not callable."
            )
        if inspect.iscoroutinefunction(function):
            raise SignalError(
                f"when={describe(function)}: a condition is a plain function; a coroutine function cannot be judged "
                "when the signal is sent. Ask in the receiver instead."
            )
        self.function = function
        self.attributes: frozenset[str] = frozenset()
        """The attributes of the sender that it asks about."""
        self.is_own = False
        """It calls no function of a user's, which has to be called for each row."""
        self.tests: tuple[ChangeTest, ...] | None = None
        """It holds only where one of these does; ``None``: nothing is known."""
        try:
            signature = inspect.signature(function).parameters.values()
        except (ValueError, TypeError):
            raise SignalError(
                f"when={describe(function)}: it does not tell which parameters it takes. Give a function that does: "
                "lambda values: ..."
            ) from None
        kinds = inspect.Parameter
        named = [each for each in signature if each.kind in (kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY)]
        self.parameters: tuple[str, ...] = tuple(each.name for each in named)
        self.required: tuple[str, ...] = tuple(each.name for each in named if each.default is kinds.empty)
        self.everything = any(each.kind is kinds.VAR_KEYWORD for each in signature)
        nameless = [
            each.name for each in signature if each.kind is kinds.POSITIONAL_ONLY and each.default is kinds.empty
        ]
        if nameless:
            raise SignalError(
                f"when={describe(function)}: {nameless[0]!r} can be given by position only, and a condition gets the "
                "signal's parameters by name."
            )

        self.looks_at: frozenset[str] | None = None if CHANGES in self.parameters else frozenset()
        """The attributes that it looks up in ``changes``; ``None``: any of them."""

    def form(self, names: tuple[str, ...]) -> Form:
        """Return how a send of ``names`` reaches the function: all by name, ``sender`` being the sender."""
        where = {"sender": 0, **{name: index for index, name in enumerate(names, 1)}}
        taken = [name for name in where if self.takes(name, names)]
        if not self.everything:
            taken = [name for name in self.parameters if name in where]
        return Form((), tuple(where[name] for name in taken))

    def keywords(self, sender: Any, keywords: dict[str, Any]) -> dict[str, Any]:
        """Return the keywords that the function takes of a send."""
        sent = {"sender": sender, **keywords}
        if self.everything:
            names = tuple(keywords)
            return {name: value for name, value in sent.items() if self.takes(name, names)}
        return {name: sent[name] for name in self.parameters if name in sent}

    def takes(self, name: str, names: tuple[str, ...]) -> bool:
        """Tell whether a function of any keyword takes one of a send of ``names``: not the one that is hidden."""
        return name in self.parameters or name != hidden_in(names)

    def holds(self, sender: Any, keywords: dict[str, Any]) -> bool:
        """Tell whether it holds for a send."""
        return bool(self.function(**self.keywords(sender, keywords)))

    def refuse_unknown(self, signal: str, parameters: Iterable[str]) -> None:
        """Refuse a condition that needs a parameter which a signal never sends.

        Raises:
            SignalError: It does.
        """
        sent = ("sender", *parameters)
        for name in self.required:
            if name not in sent:
                raise SignalError(
                    f"when={describe(self.function)} cannot judge {signal!r}: it requires {name!r}, which the signal "
                    f"never sends.{did_you_mean(name, sent, cutoff=0.0)} {signal} sends: {', '.join(sent)}."
                )

    def __and__(self, other: Callable[..., object] | Condition) -> Condition:
        second = condition_of(other)
        both = self._with(second, lambda mine, theirs: mine() and theirs())
        both.tests = self.tests
        if both.tests is None and self.is_own:
            both.tests = second.tests
        return both

    def __or__(self, other: Callable[..., object] | Condition) -> Condition:
        second = condition_of(other)
        both = self._with(second, lambda mine, theirs: mine() or theirs())
        if self.tests is not None and second.tests is not None:
            both.tests = (*self.tests, *second.tests)
        return both

    def __invert__(self) -> Condition:
        return self._with(self, lambda mine, _theirs: not mine())

    def _with(self, second: Condition, judge: Callable[[Callable[[], bool], Callable[[], bool]], bool]) -> Condition:

        def function(**sent: Any) -> bool:
            sender = sent.pop("sender", None)
            return judge(lambda: self.holds(sender, sent), lambda: second.holds(sender, sent))

        function.__qualname__ = function.__name__ = f"{describe(self.function)} with {describe(second.function)}"
        both = Condition(function)
        both.parameters = tuple(dict.fromkeys(("sender", *self.parameters, *second.parameters)))
        both.required = tuple(dict.fromkeys((*self.required, *second.required)))
        both.everything = self.everything or second.everything
        both.attributes = self.attributes | second.attributes
        both.is_own = self.is_own and second.is_own
        both.looks_at = None
        if self.looks_at is not None and second.looks_at is not None:
            both.looks_at = self.looks_at | second.looks_at
        return both

    def __call__(self, **keywords: Any) -> bool:
        """Judge the parameters of a send, given by name."""
        return self.holds(keywords.pop("sender", None), keywords)

    def __str__(self) -> str:
        return describe(self.function)

    def __repr__(self) -> str:
        return f"<Condition {describe(self.function)}>"


def condition_of(when: Callable[..., object] | Condition) -> Condition:
    """Return the value of ``when`` as a condition."""
    return when if isinstance(when, Condition) else Condition(when)
