"""The records of who is connected: the callable or the weak reference to it, its parameters, and its options."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from inspect import iscoroutinefunction
from types import FunctionType, MethodType
from typing import Any, Final, NamedTuple

from . import core
from .batching import Batched
from .code_facts import facts_of
from .conditions import Condition
from .deferral import Deferred
from .on_request import CHANGES, mentions
from .receiver import ANYTHING, ANYTHING_ASKED, Accepts, accepts, functions_of, plain_function, strong
from .twins import HAS_TWINS, hung_twin, twin_of

__all__ = ["PLAIN", "Options", "Receiver"]


class Options(NamedTuple):
    """The options of one connection, of one receiver to one sender."""

    after_commit: bool = False
    batched: bool = False
    priority: int = 0
    when: Condition | None = None
    subclasses: bool = False
    after_rollback: bool = False
    asks: str = ""
    """``"updates"``: it asks for the ``changes`` of stored rows, and not for those of new ones."""
    rows: bool = False


PLAIN: Final = Options()


class Receiver(core.Asked):
    """A connected receiver: one record for all of its connections without options, one more for each with some.

    Args:
        receiver: The callable.
        reference: The callable, or a weak reference to it.
        options: The options of the connection.
    """

    __slots__ = (
        "_accepted",
        "_twin",
        "asks",
        "is_async",
        "is_method",
        "is_weak",
        "options",
        "owner",
        "reference",
        "site",
    )

    is_async: bool
    """It is a coroutine function."""

    def __init__(self, receiver: Callable[..., Any], reference: Any, options: Options = PLAIN) -> None:
        self.reference = reference
        self.options = options
        self.is_weak = isinstance(reference, weakref.ref)
        self.renew(receiver)

    def renew(self, receiver: Callable[..., Any]) -> None:
        """Read the receiver: when it is connected, and again when its code is another."""
        functions = list(functions_of(receiver))
        self.read(
            tuple([weakref.ref(each) for each in functions]) if self.is_weak else tuple(functions),
            tuple([each.__code__ for each in functions]),
        )
        self._accepted = accepts(receiver)
        self.asks = self._asks(functions)
        """Which ``changes`` it, or the condition of its connection, asks for: ``"all"``, ``"updates"`` or none."""
        self.is_async = iscoroutinefunction(receiver)
        self._twin: Any = None
        self.is_method = isinstance(receiver, MethodType) and type(receiver.__func__) is FunctionType
        """It is a method of Python's, whose function and owner can be had one by one."""
        owner = receiver.__self__ if isinstance(receiver, MethodType) else None
        self.owner = weakref.ref(owner) if self.is_weak and self.is_method else None
        self.site: Any = None
        """The names of the send that the receiver was last planned for, whether with twins, and the site's number."""

    def _asks(self, functions: Sequence[FunctionType]) -> str:
        """Return which ``changes`` have to be made: a batched receiver asks by the word in its own code."""
        if self.options.when is not None and CHANGES in self.options.when.parameters:
            return "all"
        if self.options.asks:
            return self.options.asks
        named = mentions(iter(functions), CHANGES) if self.options.batched else CHANGES in self._accepted.parameters
        return "all" if named else ""

    @property
    def looks_at(self) -> frozenset[str] | None:
        """The attributes that it looks up in ``changes``; ``None``: any. A batched receiver may hand all of them on."""
        when = self.options.when
        if when is None or self.options.batched or self.options.asks or CHANGES in self._accepted.parameters:
            return None
        return when.looks_at

    @property
    def is_function(self) -> bool:
        """The callable is the one function whose code decides how it is called, or its method."""
        return len(self.sources) == 1 and (self.is_method or type(self.itself()) is FunctionType)

    @property
    def accepts(self) -> Accepts:
        """The parameters that it accepts as it is called: a batched one is called through a function that takes all."""
        if self.options.batched:
            return ANYTHING_ASKED if self.asks else ANYTHING
        return self._accepted

    @property
    def own_parameters(self) -> Accepts:
        """The parameters that the receiver itself accepts."""
        return self._accepted

    def takes(self, name: str) -> bool:
        """Tell whether it, or the condition of its connection, takes a parameter; a batched one takes all."""
        when, accepted = self.options.when, self.accepts
        if accepted.everything or name in accepted.parameters:
            return True
        return when is not None and (when.everything or name in when.parameters)

    @property
    def after_commit(self) -> bool:
        """It waits for the commit."""
        return self.options.after_commit

    @property
    def waits(self) -> bool:
        """It waits for the end of the transaction: the commit, or a rollback."""
        return self.options.after_commit or self.options.after_rollback

    @property
    def batched(self) -> bool:
        """It is called once for many rows."""
        return self.options.batched

    @property
    def priority(self) -> int:
        """Those of a higher one are called first."""
        return self.options.priority

    @property
    def stands_in(self) -> bool:
        """Something else is called in its place."""
        return self.options.batched or self.waits

    def itself(self) -> Callable[..., Any] | None:
        """Return the callable that was connected, or ``None`` when it is gone."""
        return strong(self.reference)

    def live(self) -> Callable[..., Any] | None:
        """Return the function to call, or ``None`` when the receiver is gone."""
        receiver = self.itself()
        if receiver is None:
            return None
        if self.options.batched:
            receiver = Batched(receiver)
        return self.deferred(receiver) if self.waits else receiver

    def deferred(self, target: Callable[..., Any]) -> Deferred:
        """Return a function that lets the calls of ``target``, this receiver or its stand-in, wait."""
        return Deferred(target, self.options.after_commit, self.options.after_rollback)

    def function(self) -> FunctionType | None:
        """Return the plain function of which a positional twin can be made; ``None`` where there is none."""
        receiver = self.itself()
        if not HAS_TWINS or self.stands_in or not self._accepted.may_have_twin or receiver is None:
            return None
        plain = plain_function(receiver)
        if plain is None or not (receiver is plain[0] or self.is_method):
            return None
        return plain[0] if facts_of(plain[0].__code__).positional_code is not None else None

    def use_of_keywords(self) -> str:
        """Return how the function behind it uses its ``**kwargs``."""
        function = self.function()
        return "keeps" if function is None else facts_of(function.__code__).use_of_keywords

    def returns_nothing(self) -> bool:
        """Tell whether a call can only return ``None``."""
        receiver = self.itself()
        plain = None if receiver is None or self.stands_in else plain_function(receiver)
        return plain is not None and facts_of(plain[0].__code__).returns_nothing

    def strong_twin(self) -> Any:
        """Return the twin of a receiver that is held strongly, bound where that is a method."""
        if self._twin is None:
            function, receiver = self.function(), self.itself()
            twin: Any = twin_of(function) if function is not None else None
            self._twin = MethodType(twin, receiver.__self__) if isinstance(receiver, MethodType) else twin
        return self._twin

    def weak_twin(self) -> weakref.ref[FunctionType] | None:
        """Return a weak reference to the twin that hangs on a weakly referenced function."""
        function = self.function()
        return None if function is None else weakref.ref(hung_twin(function))

    def deliver(self, target: Callable[..., Any], sender: Any, keywords: dict[str, Any]) -> Any:
        """Call ``target``, this receiver or its stand-in, with its part of ``keywords``."""
        names, values = tuple(keywords), (sender, *keywords.values())
        form = self.accepts.form(names)
        return target(*[values[i] for i in form.positions], **{names[i - 1]: values[i] for i in form.keywords})

    def is_wanted(self, sender: Any, keywords: dict[str, Any]) -> bool:
        """Tell whether the connection's condition holds."""
        return self.options.when is None or self.options.when.holds(sender, keywords)
