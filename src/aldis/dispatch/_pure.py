"""The pure-Python core: who receives a sender's signals, and its entry. The twin of ``cext/dispatch.pyx``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import CellType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final, Self

from .ledger import LEDGER
from .twins import tools_are_on

if TYPE_CHECKING:
    from .records import Receiver

__all__ = [
    "ANY_KEY",
    "ASKS_IN_PLAN",
    "FIRE",
    "SEND",
    "SEND_ASYNC",
    "Asked",
    "Dispatch",
    "Plan",
    "give_own_methods",
    "send",
    "send_async",
    "sender_key",
    "snapshot",
]

ANY_KEY: Final = 0
"""The key of :data:`blinker.ANY` among the plans: no object has the address 0."""

FIRE: Final = 0
SEND: Final = 1
SEND_ASYNC: Final = 2

ASKS_IN_PLAN: Final = True
"""The plans themselves ask whether the receivers' code is still the same: 55 ns a receiver, where C asks in one."""

snapshot: Any = None
"""In C: returns a function that takes weakly referenced receivers, all at once."""


def sender_key(sender: Any) -> Any:
    """Return the key of a sender: an address (an ``int``), or for ``str``, ``int`` and bound methods a value."""
    kind = type(sender)  # isinstance would ask proxies, which may be bound to nothing
    if issubclass(kind, type):  # the most frequent ones
        return id(sender)
    if issubclass(kind, str):
        return sender
    if issubclass(kind, int):
        return (sender,)
    if kind is MethodType:
        return id(sender.__func__), id(sender.__self__)
    return id(sender)


class Asked:
    """The functions whose code decides how a receiver is called, and that code as it was when it was read."""

    __slots__ = ("codes", "sources")

    sources: tuple[Any, ...]
    codes: tuple[Any, ...]

    def read(self, sources: tuple[Any, ...], codes: tuple[Any, ...]) -> None:
        """Take note of the functions, or of weak references to them, and of their code."""
        self.sources, self.codes = sources, codes

    def is_as_read(self) -> bool:
        """Tell whether the code is still the same; of a function that is gone, it is."""
        for source, code in zip(self.sources, self.codes, strict=True):
            function = source if type(source) is FunctionType else source()
            if function is not None and function.__code__ is not code:
                return False
        return True


class Plan:
    """The receivers of one sender, in order, until the next connect or disconnect; and the functions that call them."""

    __slots__ = (
        "__weakref__",
        "_cell",
        "_functions",
        "_loops",
        "asked",
        "has_twins",
        "is_void",
        "receivers",
        "watched",
    )

    def __init__(self, receivers: Sequence[Receiver], watched: Any = None) -> None:
        self.receivers = tuple(receivers)
        self.watched = watched
        self.is_void = False
        """Somebody has connected or disconnected since it was made, or muted the signal."""
        self.has_twins = False
        self.asked: tuple[Any, ...] = ()
        """What the receivers ask of a parameter that is made only for those that name it."""
        self._functions: dict[Any, Any] | None = None
        self._loops: dict[tuple[Any, ...], Any] | None = None
        self._cell: CellType | None = None

    def void(self) -> None:
        """Take note that somebody has connected or disconnected since it was made, or muted the signal."""
        self.is_void = True
        if self._cell is not None:
            self._cell.cell_contents = True

    def void_cell(self) -> CellType:
        """Return a cell that holds whether the plan is void: a loop over rows asks it after each, in one nanosecond."""
        if self._cell is None:
            self._cell = CellType(False)
            if self.is_void:
                self._cell.cell_contents = True
        return self._cell

    def loop(self, shape: tuple[Any, ...]) -> Any:
        """Return the loop over rows for a shape of their columns; ``None`` where there is none yet."""
        return None if self._loops is None else self._loops.get(shape)

    def remember_loop(self, shape: tuple[Any, ...], loop: Any) -> None:
        """Keep the loop over rows for a shape of their columns."""
        if self._loops is None or len(self._loops) >= MOST_NAMES:
            self._loops = {}
        self._loops[shape] = loop

    def remember(self, kind: int, names: tuple[str, ...], with_twins: bool, function: Any) -> None:
        """Keep the function for a set of names; ``None`` for one that has to be delivered the slow way."""
        if self._functions is None or len(self._functions) >= MOST_NAMES:
            self._functions = {}
        self._functions[kind, with_twins, names] = function

    def remembered(self, kind: int, names: tuple[str, ...], with_twins: bool) -> Any:
        """Return the function for a set of names; :data:`NOT_MADE` where there is none yet."""
        return NOT_MADE if self._functions is None else self._functions.get((kind, with_twins, names), NOT_MADE)

    def take_over(self, other: Plan, kind: int, names: tuple[str, ...], with_twins: bool) -> Any:
        """Have the function that another plan of the same receivers has for a set of names; ``None``: it has none."""
        if other.is_void or other.watched is not None or self.watched is not None or other.receivers != self.receivers:
            return None
        if other.has_twins and tools_are_on():
            return None
        function = other.remembered(kind, names, with_twins)
        if function is NOT_MADE or function is None:
            return None
        self.has_twins = self.has_twins or other.has_twins
        self.remember(kind, names, with_twins, function)
        return function


MOST_NAMES: Final = 64
"""Sets of keywords that a plan remembers; a caller that sends ``**row`` could have any number."""

NOT_MADE: Final = object()
NOT_READY: Final = (NOT_MADE, None)


class Dispatch:
    """The hot half of a signal: who receives a sender's sends. Bookkeeping is in ``signal.py``."""

    __slots__ = ("_is_muted", "_names", "_plans", "_ready")

    _plans: dict[Any, Plan | None]
    _ready: dict[int, tuple[Any, Any]]
    """What calls a sender's receivers, and the names that it takes, by the sender's address: nothing is left to ask.

    ``None``: nobody hears it. That is only known of classes: an object that is not connected to is not watched, and a
    ``str`` may have its address one day."""
    _names: tuple[str, ...] | None
    """The parameters of the signal, where they are known and the same for all senders."""
    _is_muted: bool
    _bases: dict[Any, int]
    """How many receivers are connected to a class and those below it, by the class."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self:
        self = super().__new__(cls)
        self._is_muted = False
        self._names = None
        self._plans = {ANY_KEY: None}
        self._ready = {}
        return self

    @property
    def is_muted(self) -> bool:
        """Nobody is called."""
        return self._is_muted

    @is_muted.setter
    def is_muted(self, muted: bool) -> None:
        self._is_muted = bool(muted)
        with LEDGER:
            self._void()

    def _make_plan(self, key: Any) -> Plan:
        raise NotImplementedError

    def _find_by_bases(self, sender: Any) -> Plan | None:
        raise NotImplementedError

    def _render(self, plan: Plan, kind: int, names: tuple[str, ...], with_twins: bool) -> Any:
        raise NotImplementedError

    def _renew(self, records: Sequence[Receiver]) -> None:
        raise NotImplementedError

    def _names_of(self, sender: Any) -> tuple[str, ...]:
        raise NotImplementedError

    def _share_plans(self, other: Dispatch) -> None:
        """Have the plans of another signal, which shares its receivers."""
        self._plans, self._ready = other._plans, other._ready

    def _void(self) -> None:
        """Have all plans made again."""
        for key, plan in list(self._plans.items()):
            if plan is not None:
                plan.void()
                self._plans[key] = None
        self._ready.clear()

    def _forget(self, key: Any) -> None:
        """Have the plan of ``key`` made again by the next send; for ``ANY_KEY`` all plans."""
        if key == ANY_KEY:
            self._void()
            return
        # A sender without a plan of its own had that of everybody.
        known = self._plans.get(key if key in self._plans else ANY_KEY)
        if known is not None:
            known.void()
        self._ready.pop(key, None)
        if key not in self._plans:
            self._plans[ANY_KEY] = None
        self._plans[key] = None

    def _drop(self, key: Any) -> None:
        """Let the sender of ``key`` have no plan of its own."""
        known = self._plans.pop(key, None)
        if known is not None:
            known.void()
        self._ready.pop(key, None)

    def _find(self, sender: Any) -> Plan:
        """Return the plan of ``sender``."""
        key = sender_key(sender)
        everybody = self._plans[ANY_KEY]  # read first: whoever connects to the sender after this voids it
        plan = self._plans.get(key, everybody)
        if self._bases and key not in self._plans and (found := self._find_by_bases(sender)) is not None:
            return found
        return self._make_plan(key) if plan is None else plan

    def has_receivers_for(self, sender: Any) -> bool:
        """Tell whether a send by ``sender`` would call anybody.

        Costs less than building one keyword: ask before computing keywords that nobody may want. As in blinker, a
        receiver that is weakly referenced and gone may still count until it is noticed.

        Args:
            sender: The sender; :data:`ANY` asks for the receivers of any sender.

        Example:
            >>> import aldis
            >>> signal = aldis.Signal()
            >>> signal.has_receivers_for("me")
            False
        """
        return len((self._plans.get(id(sender)) or self._find(sender)).receivers) > 0

    def plan(self, sender: Any, names: tuple[str, ...] | None = None) -> Callable[..., Any] | None:
        """Return a function that calls the receivers of ``sender``; ``None`` where nobody listens, or it is muted.

        It is called with the sender and the values, by position, in the order of the signal's parameters. It returns
        ``None`` when all receivers have finished, else an awaitable. It is for one send: a later one asks
        again, or would not know of who has connected meanwhile. A subclass may override it. Of the compiled core each
        class of signals has it anew, so that a patch of ``Signal.plan`` does not reach those of the classes below.

        Args:
            sender: The sender.
            names: The names of the values; a lifecycle signal knows its own.

        Raises:
            SignalError: The signal does not know its parameters, and none were named.

        Example:
            >>> import aldis
            >>> paid = aldis.Signal()
            >>> @paid.connect
            ... def thank(sender, amount):
            ...     print(f"{sender} thanks for {amount}")
            >>> plan = paid.plan("shop", ("amount",))
            >>> if plan is not None:
            ...     rest = plan("shop", 5)
            shop thanks for 5
        """
        if self._is_muted:
            return None
        if names is None:
            names = self._names
        ready, function = self._ready.get(id(sender), NOT_READY)
        if ready is names and (function is not None or issubclass(type(sender), type)):
            return function  # type: ignore[no-any-return]
        plan = self._plans.get(id(sender)) or self._find(sender)
        if not plan.receivers:
            function, is_ready = None, issubclass(type(sender), type) and names is not None and not self._bases
        else:
            if names is None:
                names = self._names_of(sender)
            function = function_of(self, plan, FIRE, names)
            is_ready = not plan.has_twins and self._plans.get(id(sender)) is plan
        if is_ready:
            with LEDGER:  # nobody connects or disconnects between the look and the note
                if not plan.is_void:
                    self._ready[id(sender)] = names, function
        return function  # type: ignore[no-any-return]


def function_of(signal: Dispatch, plan: Plan, kind: int, names: tuple[str, ...]) -> Any:
    """Return the function of a plan for some names, rendered where there is none yet; ``None``: the slow way."""
    with_twins = not plan.has_twins or not tools_are_on()
    found = plan.remembered(kind, names, with_twins)
    return signal._render(plan, kind, names, with_twins) if found is NOT_MADE else found


def give_own_methods(cls: type[Dispatch]) -> None:
    """Give a class of signals the C methods of its own type; there are none here."""


def send(
    self: Any,
    sender: Any = None,
    /,
    *,
    _async_wrapper: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None,
    **kwargs: Any,
) -> list[tuple[Callable[..., Any], Any]]:
    """Call the receivers of ``sender`` and those of :data:`ANY`, in the order in which they were connected.

    Args:
        self: The signal.
        sender: Who sends: known by identity, a ``str`` or an ``int`` by value.
        _async_wrapper: Makes a plain function of a coroutine function, so that it can be called here.
        kwargs: The keywords of each receiver, which gets all of them or those that its parameters name.

    Returns:
        The pairs of receiver and returned value.

    Raises:
        RuntimeError: A receiver is a coroutine function and there is no ``_async_wrapper``.

    Example:
        >>> import aldis
        >>> ready = aldis.Signal()
        >>> @ready.connect
        ... def greet(sender, name):
        ...     return f"hello {name}"
        >>> [value for receiver, value in ready.send("me", name="Ada", unused=1)]
        ['hello Ada']
    """
    if self._is_muted:
        return []
    plan = self._plans.get(id(sender)) or self._find(sender)
    if not plan.receivers:
        return []
    function = function_of(self, plan, SEND, tuple(kwargs)) if _async_wrapper is None else None
    if function is None:
        return self._send(plan, sender, _async_wrapper, kwargs)  # type: ignore[no-any-return]
    return function(sender, *kwargs.values())  # type: ignore[no-any-return]


async def send_async(
    self: Any,
    sender: Any = None,
    /,
    *,
    _sync_wrapper: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None,
    **kwargs: Any,
) -> list[tuple[Callable[..., Any], Any]]:
    """Await the receivers of ``sender`` and those of :data:`ANY`, one after the other, in order.

    Nothing is called before the send is awaited; it runs in the task and the context that await it.

    Args:
        self: The signal.
        sender: Who sends: known by identity, a ``str`` or an ``int`` by value.
        _sync_wrapper: Makes a coroutine function of a plain function, so that it can be awaited here.
        kwargs: The keywords of each receiver, which gets all of them or those that its parameters name.

    Returns:
        A coroutine of the pairs of receiver and returned value.

    Raises:
        RuntimeError: A receiver is a plain function and there is no ``_sync_wrapper``.

    Example:
        >>> import asyncio, aldis
        >>> ready = aldis.Signal()
        >>> @ready.connect
        ... async def greet(sender, name):
        ...     return f"hello {name}"
        >>> [value for receiver, value in asyncio.run(ready.send_async("me", name="Ada"))]
        ['hello Ada']
    """
    if self._is_muted:
        return []
    plan = self._plans.get(id(sender)) or self._find(sender)
    if not plan.receivers:
        return []
    function = function_of(self, plan, SEND_ASYNC, tuple(kwargs)) if _sync_wrapper is None else None
    if function is None:
        return await self._send_async(plan, sender, _sync_wrapper, kwargs)  # type: ignore[no-any-return]
    return await function(sender, *kwargs.values())  # type: ignore[no-any-return]
