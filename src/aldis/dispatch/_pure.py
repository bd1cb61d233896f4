"""The pure-Python core: receiver lookup and invocation. The twin of ``cext/dispatch.pyx``: the same story."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextvars import ContextVar
from inspect import iscoroutinefunction
from itertools import dropwhile, islice, repeat
from operator import is_, itemgetter
from types import CoroutineType, MethodType, coroutine
from typing import Any, Final, Self

import blinker

from .batching import Batched
from .deferral import Deferred, behind
from .delivery import rest as rest_of
from .delivery import stand_in
from .failures import annotate
from .receiver import Accepts, accepts, arrange, positional_twin, strong

__all__ = ["ANY_KEY", "Call", "Dispatch", "Plan", "Receiver", "Series", "send", "send_async", "sender_key"]

ANY_KEY: Final = 0
"""The key of :data:`blinker.ANY` among the plans: no object has the address 0."""

AS_THEY_STAND: Final = None
"""A way to call a receiver: with all arguments, each by its name."""

BY_KEYWORD: Final = False
"""A way to call a receiver: with some of the arguments, not all of them by position."""

MOST_SHAPES: Final = 64
"""How many different sets of keywords a plan remembers; a caller that sends ``**row`` could have any number."""


def sender_key(sender: Any) -> Any:
    """Return what a sender is known by: an address (an ``int``), or for ``str``, ``int`` and bound methods a value."""
    kind = type(sender)
    if issubclass(kind, str):
        return sender
    if issubclass(kind, int):
        return (sender,)
    if kind is MethodType:
        return id(sender.__func__), id(sender.__self__)
    return id(sender)


class Call:
    """How the arguments of one set of keywords reach one receiver."""

    __slots__ = ("first", "is_async", "keywords", "pick", "positional", "way")

    def __init__(self, receiver: Receiver, names: tuple[str, ...]) -> None:
        order, self.positional, self.keywords, names_all = arrange(receiver.accepts, names)
        self.is_async = receiver.is_async
        order = order or tuple(range(len(names) + 1))
        self.pick = picker(order)
        self.first = picker(order[: self.positional]) if names_all else None
        """Takes what goes by position, of a receiver that may have a twin."""
        accepted = receiver.accepts
        # In Python a call that names all is cheaper than one that sorts out what can go by position.
        as_they_stand = accepted.everything and accepted.keywords.issuperset(accepted.positional)
        self.way: Any = AS_THEY_STAND if as_they_stand else BY_KEYWORD if self.keywords else self.pick

    def __call__(self, receiver: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """Call ``receiver`` with its part of ``arguments``: the sender, then the values in the order of the names."""
        picked = self.pick(arguments)
        if not self.keywords:
            return receiver(*picked)
        position = self.positional
        return receiver(*picked[:position], **dict(zip(self.keywords, picked[position:], strict=True)))


def picker(order: Sequence[int]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """Return what takes the arguments at the indices of ``order``; itemgetter of one index returns no tuple."""
    return itemgetter(*order) if len(order) > 1 else itemgetter(slice(0, 1))


class Receiver:
    """A connected receiver: the callable or the weak reference to it, and what it accepts."""

    __slots__ = (
        "accepts",
        "after_commit",
        "batched",
        "calls",
        "is_async",
        "is_plain",
        "is_weak",
        "priority",
        "reference",
    )

    def __init__(
        self,
        receiver: Callable[..., Any],
        reference: Any,
        accepted: Accepts,
        after_commit: bool = False,
        batched: bool = False,
        priority: int = 0,
    ) -> None:
        self.reference = reference
        self.accepts = accepted
        self.is_async: bool = iscoroutinefunction(receiver)
        self.is_weak = isinstance(reference, weakref.ref)
        self.after_commit = after_commit
        self.batched = batched
        self.priority = priority
        self.is_plain = not (after_commit or batched or priority)
        self.calls: dict[tuple[str, ...], Call] = {}

    def live(self) -> Callable[..., Any] | None:
        """Return what to call, or ``None`` when it is gone."""
        receiver = self.itself()
        if receiver is None:
            return None
        if self.batched:
            receiver = Batched(receiver)
        return Deferred(receiver) if self.after_commit else receiver

    def itself(self) -> Callable[..., Any] | None:
        """Return the callable that was connected, or ``None`` when it is gone."""
        return strong(self.reference)

    def weakly(self) -> Callable[[], Any]:
        """Return what returns the callable or ``None``: the weak reference itself, where that will do."""
        return self.reference if self.is_weak and not self.after_commit and not self.batched else self.live

    def call(self, names: tuple[str, ...]) -> Call:
        """Return how a send of ``names`` reaches this receiver."""
        call = self.calls.get(names)
        if call is None:
            if len(self.calls) >= MOST_SHAPES:
                self.calls.clear()
            call = self.calls[names] = Call(self, names)
        return call

    def deliver(self, target: Callable[..., Any], sender: Any, keywords: dict[str, Any]) -> Any:
        """Call ``target``, this receiver or what stands for it, with its part of ``keywords``."""
        return self.call(tuple(keywords))(target, (sender, *keywords.values()))


class Plan:
    """The receivers of one sender, in order, until the next connect or disconnect."""

    __slots__ = ("is_strong", "receivers", "recent", "shapes", "watched")

    def __init__(self, receivers: Iterable[Receiver], watched: Any = None) -> None:
        self.receivers = tuple(receivers)
        self.watched = watched
        # What is watched goes the way of weak receivers, where it costs nothing that others would pay.
        self.is_strong = watched is None and not any(receiver.is_weak for receiver in self.receivers)
        self.recent: tuple[tuple[str, ...] | None, Sequence[tuple[Any, Any, Call]]] = (None, ())
        self.shapes: dict[tuple[str, ...], tuple[tuple[Any, Any, Call], ...]] = {}

    def calls(self, names: tuple[str, ...]) -> Sequence[tuple[Any, Any, Call]]:
        """Return the receivers that are alive, each with the way in which a send of ``names`` reaches it.

        The send that asked keeps them until it ends. Where each call is watched, one stands for them all.
        """
        if self.watched is not None:
            return [(self.watched, AS_THEY_STAND, self.receivers[0].call(names))]
        recent, calls = self.recent
        if recent is not names:
            calls = self._shape(names)
        if self.is_strong:
            return calls
        return [(live, way, call) for reference, way, call in calls if (live := reference()) is not None]

    def _shape(self, names: tuple[str, ...]) -> tuple[tuple[Any, Any, Call], ...]:
        calls = self.shapes.get(names)
        if calls is None:
            if len(self.shapes) >= MOST_SHAPES:
                self.shapes.clear()
            found = []
            for receiver in self.receivers:
                call = receiver.call(names)
                found.append((receiver.live() if self.is_strong else receiver.weakly(), call.way, call))
            calls = self.shapes[names] = tuple(found)
        self.recent = (names, calls)
        return calls


NOBODY: Final = Plan(())


class Dispatch:
    """The hot half of a signal: who receives what a sender sends. Bookkeeping is in ``signal.py``."""

    is_muted: bool
    _plans: dict[Any, Plan | None]

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self:
        self = super().__new__(cls)
        self.is_muted = False
        self._plans = {ANY_KEY: None}
        return self

    def _make_plan(self, key: Any) -> Plan:
        raise NotImplementedError

    def _forget(self, key: Any) -> None:
        """Have the plan of ``key`` made again by the next send; for ``ANY_KEY`` all plans."""
        if key == ANY_KEY:
            for other in list(self._plans):
                self._plans[other] = None
        else:
            self._plans[key] = None

    def _drop(self, key: Any) -> None:
        """Let the sender of ``key`` have no plan of its own."""
        self._plans.pop(key, None)

    def _find(self, sender: Any) -> Plan:
        """Return the plan of ``sender``."""
        plans = self._plans
        key = sender_key(sender)
        if key not in plans:
            key = ANY_KEY
        return plans.get(key) or self._make_plan(key)

    def has_receivers_for(self, sender: Any) -> bool:
        """Tell whether a send by ``sender`` would call anybody.

        Costs less than building one keyword: ask before computing what nobody may want. As in blinker, a receiver
        that is weakly referenced and gone may still count until it is noticed.

        Args:
            sender: The sender; :data:`ANY` asks for the receivers of any sender.

        Example:
            >>> import aldis
            >>> signal = aldis.Signal()
            >>> signal.has_receivers_for("me")
            False
        """
        return len((self._plans.get(id(sender)) or self._find(sender)).receivers) > 0


def plan_for(signal: Any, sender: Any) -> Plan:
    """Return the plan of ``sender`` for any signal; for a foreign one, made from what it says."""
    if isinstance(signal, Dispatch):
        return NOBODY if signal.is_muted else signal._plans.get(id(sender)) or signal._find(sender)
    if not isinstance(signal, blinker.Signal):
        raise TypeError(f"cannot emit through {signal!r}: it is a {type(signal).__name__}, not a signal.")
    if signal.is_muted:
        return NOBODY
    records = [Receiver(receiver, receiver, accepts(receiver)) for receiver in signal.receivers_for(sender)]
    return Plan(records, stand_in(signal, records))


async def rest(
    signal: Any,
    arguments: tuple[Any, ...],
    calls: Sequence[tuple[Any, Any, Call]],
    suspended: Any,
    waiting: Any,
    yielded: Any,
) -> None:
    """Await the rest of an emission, of which the receiver ``suspended`` waits for something."""
    left = dropwhile(lambda entry: entry[0] is not suspended, calls)
    receiver, *_ = next(left)
    try:
        await resume(waiting, yielded)
        for receiver, _, call in left:
            result = call(receiver, arguments)
            if result is not None and (type(result) is CoroutineType or call.is_async):
                await result
    except Exception as error:
        annotate(error, signal, arguments[0], receiver)
        raise


@coroutine
def resume(waiting: Any, yielded: Any) -> Generator[Any, Any, Any]:
    """Go on with what was started before and yielded ``yielded``: ``yield from``, one step late."""
    while True:
        try:
            value = yield yielded
        except GeneratorExit:
            if hasattr(waiting, "close"):
                waiting.close()
            raise
        except BaseException as error:
            if not hasattr(waiting, "throw"):
                raise
            step, value = waiting.throw, error
        else:
            step = waiting.__next__ if value is None else waiting.send
        try:
            yielded = step() if value is None else step(value)
        except StopIteration as stop:
            return stop.value


def iterator(awaitable: Any) -> Any:
    """Return what ``await`` would iterate."""
    try:
        return type(awaitable).__await__(awaitable)
    except AttributeError:
        raise TypeError(f"object {type(awaitable).__name__} can't be used in 'await' expression") from None


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
        kwargs: What each receiver gets, or the part of it that its parameters name.

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
    results: list[tuple[Callable[..., Any], Any]] = []
    plan = plan_for(self, sender)
    if not plan.receivers:
        return results
    if plan.watched is not None:
        return plan.watched.send(sender, _async_wrapper, kwargs)  # type: ignore[no-any-return]
    receiver: Any = None
    try:
        for receiver, way, call in plan.calls(tuple(kwargs)):
            target = receiver
            if call.is_async:
                if _async_wrapper is None:
                    raise RuntimeError("Cannot send to a coroutine function.")  # noqa: TRY301
                target = _async_wrapper(receiver)
            in_place = way is AS_THEY_STAND
            result = target(sender, **kwargs) if in_place else call(target, (sender, *kwargs.values()))
            results.append((behind(receiver), result))
    except Exception as error:
        annotate(error, self, sender, receiver)
        raise
    return results


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
        kwargs: What each receiver gets, or the part of it that its parameters name.

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
    results: list[tuple[Callable[..., Any], Any]] = []
    plan = plan_for(self, sender)
    if not plan.receivers:
        return results
    if plan.watched is not None:
        return await plan.watched.send_async(sender, _sync_wrapper, kwargs)  # type: ignore[no-any-return]
    receiver: Any = None
    try:
        for receiver, way, call in plan.calls(tuple(kwargs)):
            target = receiver
            if not call.is_async:
                if _sync_wrapper is None:
                    raise RuntimeError("Cannot send to a non-coroutine function.")  # noqa: TRY301
                target = _sync_wrapper(receiver)
            in_place = way is AS_THEY_STAND
            result: Any = target(sender, **kwargs) if in_place else call(target, (sender, *kwargs.values()))
            if type(receiver) is not Deferred or result is not None:
                result = await result
            results.append((behind(receiver), result))
    except Exception as error:
        annotate(error, self, sender, receiver)
        raise
    return results


def is_constant(column: list[Any]) -> bool:
    """Tell whether a column has one object for all rows, of which there are some."""
    return all(map(is_, column, repeat(column[0])))


class Series:
    """One lifecycle signal, fired for many rows, one after the other.

    Args:
        emitter: The signal's emitter.
        signal: The signal to send through.
        sender: The sender.
        columns: The signal's parameters in their order: a list has a value for each row, all else is for all of them.
        told: Context variables to set before each row, each with its list of values.

    Raises:
        TypeError: The signal has more parameters, or fewer.
        ValueError: The lists are of different lengths.

    Example:
        >>> import aldis
        >>> from aldis.dispatch import core, emitters
        >>> deleted = aldis.Signal()
        >>> @deleted.connect
        ... def receiver(sender, instance, row_count):
        ...     print(instance, row_count)
        >>> core.Series(emitters.post_delete, deleted, str, (["a", "b"], ["a", "b"], 1, False)).go()
        a 1
        b 1
    """

    __slots__ = (
        "arguments",
        "changes",
        "columns",
        "constant",
        "count",
        "is_waiting",
        "names",
        "plan",
        "position",
        "rows",
        "sender",
        "signal",
        "steady",
        "varying",
        "ways",
    )

    def __init__(
        self,
        emitter: Callable[..., Any],
        signal: Any,
        sender: Any,
        columns: tuple[Any, ...],
        told: tuple[tuple[ContextVar[Any], list[Any]], ...] = (),
    ) -> None:
        self.names = emitter.__code__.co_varnames[2 : emitter.__code__.co_argcount]
        if len(columns) != len(self.names):
            raise TypeError(f"{emitter.__name__} takes {len(self.names)} values, not {len(columns)}")
        self.signal, self.sender, self.columns = signal, sender, columns
        lengths = {len(column) for column in columns if type(column) is list} | {len(column) for _, column in told}
        if len(lengths) != 1:
            raise ValueError(f"the lists of a series are of one length, not of {sorted(lengths)}")
        self.count = lengths.pop()
        self.position = -1
        self.is_waiting = False
        self.rows = enumerate(self.values_of(columns[0]))
        """The rows to come: of each its number, and what goes first after the sender."""
        self.arguments: Iterator[tuple[Any, ...]] | None = None
        """All that is sent for each of the rows to come, if a receiver of the plan takes it otherwise."""
        self.steady: dict[str, Any] | None = None
        """Which parameters are one object for all rows, and that object, once it was asked."""
        self.varying: list[tuple[Callable[[Any], object], list[Any]]] = []
        self.constant: list[tuple[Callable[[Any], object], Any]] = []
        for variable, column in told:
            if self.count and is_constant(column):  # it is set once
                self.constant.append((variable.set, column[0]))
            else:
                self.varying.append((variable.set, column))
        self.plan: Plan | None = None
        self.ways: list[tuple[Any, Any, dict[str, Any] | None, Any, Call]] = []
        """Each receiver of the plan, what is called for it, its dict of keywords and what goes before, if any."""
        self.changes: list[tuple[dict[str, Any], str, list[Any]]] = []
        """What of these dicts is another for each row."""

    def go(self) -> Any:
        """Fire the signal for the rows to come; ``None`` when all receivers of all rows have finished.

        Else what is to be awaited for the rest of one row, after which to go on. So it is when a receiver raises: the
        ``position`` is that of its row. Receivers that are weakly referenced are kept until somebody connects.
        """
        self.is_waiting = False
        running = self.run().__await__()  # one for all rows: in it ``await`` drives the receivers
        for yielded in running:
            self.is_waiting = True
            return rest_of(running, yielded)
        return None

    async def run(self) -> None:
        """Fire the signal for the rows to come, or to the end of one that had to wait."""
        signal, sender = self.signal, self.sender
        plans, key = signal._plans if isinstance(signal, Dispatch) else None, id(sender)
        for tell, value in self.constant:
            tell(value)
        receiver: Any = None
        number = self.position
        try:
            for number, instance in self.rows:
                for tell, values in self.varying:
                    tell(values[number])
                if plans is None:
                    plan = plan_for(signal, sender)
                else:  # the same, spelled out, as in the emitters
                    plan = NOBODY if signal.is_muted else plans.get(key) or signal._find(sender)
                if plan is not self.plan:
                    self.learn(plan, number)
                for keywords, name, values in self.changes:
                    keywords[name] = values[number]
                arguments = () if self.arguments is None else next(self.arguments)
                for receiver, target, packed, first, call in self.ways:
                    if packed is None:
                        result = target(receiver, arguments)
                    elif first is None:
                        result = target(sender, instance, packed.copy())
                    else:
                        result = target(*first(arguments), packed.copy())
                    if result is not None and (type(result) is CoroutineType or call.is_async):
                        await result
                if self.is_waiting:
                    return
        except Exception as error:
            annotate(error, signal, sender, receiver)
            raise
        finally:
            self.position = number

    def values_of(self, column: Any, first: int = 0) -> Iterator[Any]:
        """Return a parameter's values for the rows from ``first`` on."""
        return islice(column, first, None) if type(column) is list else repeat(column, self.count - first)

    def learn(self, plan: Plan, number: int) -> None:
        """Work out how the receivers of a plan are called, from a row on.

        One with ``**kwargs`` by its positional twin: a dict is kept from row to row, and each call gets a copy.
        """
        whole = dict(zip(self.names, self.columns, strict=True))
        if self.steady is None:
            self.steady = {
                name: column[0] if type(column) is list else column
                for name, column in whole.items()
                if type(column) is not list or is_constant(column)
            }
        steady = self.steady
        packs: dict[tuple[str, ...], dict[str, Any]] = {}
        self.plan, self.ways = plan, []
        for receiver, _, call in plan.calls(self.names):
            function = receiver.__func__ if type(receiver) is MethodType else receiver
            twin: Any = None if call.first is None or receiver is plan.watched else positional_twin(function)
            if twin is None:
                self.ways.append((receiver, self.by_name if receiver is plan.watched else call, None, None, call))
                continue
            if function is not receiver:
                twin = MethodType(twin, receiver.__self__)
            packed = packs.setdefault(call.keywords, {name: steady.get(name) for name in call.keywords})
            first = None if call.keywords == self.names[1:] else call.first  # (sender, instance, **kwargs), mostly
            self.ways.append((receiver, twin, packed, first, call))
        self.changes = [
            (packed, name, whole[name]) for packed in packs.values() for name in packed if name not in steady
        ]
        self.arguments = None
        if not all(packed is not None and first is None for _, _, packed, first, _ in self.ways):
            values = [self.values_of(column, number) for column in (self.sender, *self.columns)]
            self.arguments = zip(*values, strict=True)

    def by_name(self, receiver: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """Call what watches the receivers."""
        return receiver(self.sender, **dict(zip(self.names, arguments[1:], strict=True)))
