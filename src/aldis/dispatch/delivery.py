"""Deliver a signal receiver by receiver, in Python: where the calls are watched, or their exceptions kept."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from contextvars import ContextVar
from types import CoroutineType, TracebackType, coroutine
from typing import TYPE_CHECKING, Any, ClassVar, Final

from .batching import Batched
from .deferral import Everybody, StandIn
from .failures import annotate
from .receiver import describe, name_of_signal

if TYPE_CHECKING:
    from .records import Receiver

__all__ = ["Seen", "WATCHERS", "Watched", "Watcher", "many", "send", "send_async", "stand_in"]

NOTHING: Final[AbstractContextManager[None]] = nullcontext()


class Watcher:
    """Sees sends and calls. A subclass says which it wants to see."""

    each_row: ClassVar[bool] = False
    """It sees the sends for the rows of a bulk operation one by one, not only all of them as one."""

    def sending(self, signal: Any, sender: Any, receivers: int) -> AbstractContextManager[Any]:
        """Return the context around one send to ``receivers`` receivers."""
        return NOTHING

    def many(self, signal: Any, sender: Any, rows: int) -> AbstractContextManager[Any]:
        """Return the context around the sends for ``rows`` rows of a bulk operation or a flush."""
        return NOTHING

    def calling(self, signal: Any, sender: Any, receiver: Any) -> AbstractContextManager[Any]:
        """Return the context around the call of one receiver, until it has been awaited."""
        return NOTHING


WATCHERS: Final[list[Watcher]] = []
AMONG_MANY: Final[ContextVar[bool]] = ContextVar("AMONG_MANY", default=False)
"""The sends are for the rows of one operation."""


def surrounding(name: str, signal: Any, sender: Any, of: Any, of_a_row: bool = True) -> AbstractContextManager[Any]:
    """Return the watchers' contexts around a send or a call; none of one row among many, unless they want each."""
    if not WATCHERS:
        return NOTHING
    among_many = of_a_row and AMONG_MANY.get()
    contexts = [getattr(each, name)(signal, sender, of) for each in WATCHERS if each.each_row or not among_many]
    if len(contexts) == 1:
        return contexts[0]  # type: ignore[no-any-return]
    return All(contexts) if contexts else NOTHING


class All:
    """Several contexts, one in the other.

    Args:
        contexts: The outermost first.
    """

    __slots__ = ("contexts", "stack")

    def __init__(self, contexts: list[AbstractContextManager[Any]]) -> None:
        self.contexts = contexts
        self.stack = ExitStack()

    def __enter__(self) -> None:
        for context in self.contexts:
            self.stack.enter_context(context)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return self.stack.__exit__(kind, error, traceback)


@contextmanager
def surrounding_many(signal: Any, sender: Any, rows: int) -> Iterator[None]:
    with surrounding("many", signal, sender, rows, of_a_row=False):
        token = AMONG_MANY.set(True)
        try:
            yield
        finally:
            AMONG_MANY.reset(token)


def many(signal: Any, sender: Any, rows: int) -> AbstractContextManager[None]:
    """Return the context around the sends for many rows."""
    return surrounding_many(signal, sender, rows) if WATCHERS else NOTHING


def stand_in(signal: Any, records: Sequence[Receiver]) -> Watched | None:
    """Return the stand-in for all receivers of a plan; ``None`` where nobody watches."""
    return Watched(signal, records) if WATCHERS else None


class Watched(Everybody):
    """Stands for all receivers of a plan, and calls them while others watch."""

    __slots__ = ("records", "signal")

    def __init__(self, signal: Any, records: Sequence[Receiver]) -> None:
        self.signal = signal
        self.records = records

    def fire_by_position(self, names: tuple[str, ...]) -> Callable[..., Coroutine[Any, Any, None] | None]:
        """Return a function that fires as a plan does: called with the sender and the values of ``names``."""

        def fire(sender: Any, /, *values: Any) -> Coroutine[Any, Any, None] | None:
            return self(sender, **dict(zip(names, values, strict=True)))

        return fire

    def __call__(self, sender: Any, /, **keywords: Any) -> Coroutine[Any, Any, None] | None:
        """Emit: start the receivers; return ``None``, or an awaitable of the rest."""
        return started(send_async(self.signal, self.records, sender, None, keywords, either=True))

    def send(self, sender: Any, wrapper: Any, keywords: dict[str, Any]) -> list[tuple[Any, Any]]:
        """Send to plain functions."""
        return send(self.signal, self.records, sender, wrapper, keywords)

    async def send_async(self, sender: Any, wrapper: Any, keywords: dict[str, Any]) -> list[tuple[Any, Any]]:
        """Send to coroutine functions."""
        return await send_async(self.signal, self.records, sender, wrapper, keywords)


def started(awaitable: Any, note: Callable[[Exception], None] | None = None) -> Coroutine[Any, Any, None] | None:
    """Start the awaitable that a plan has returned; return ``None`` if it has finished, else an awaitable of the rest.

    Args:
        awaitable: The awaitable.
        note: Notes on an error where it came up.
    """
    try:
        waiting = type(awaitable).__await__(awaitable)
    except AttributeError:
        raise TypeError(f"object {type(awaitable).__name__} can't be used in 'await' expression") from None
    for yielded in waiting:
        return rest(waiting, yielded, note)
    return None


async def rest(waiting: Any, yielded: Any, note: Callable[[Exception], None] | None = None) -> None:
    """Await the rest of an awaitable that has begun, and yielded ``yielded``."""
    try:
        await resume(waiting, yielded)
    except Exception as error:
        if note is not None:
            note(error)
        raise


@coroutine
def resume(waiting: Any, yielded: Any) -> Generator[Any, Any, Any]:
    """Go on with an awaitable that was started before and yielded ``yielded``: ``yield from``, one step late."""
    while True:
        thrown: BaseException | None = None
        value: Any = None
        try:
            value = yield yielded
        except GeneratorExit:
            if hasattr(waiting, "close"):
                waiting.close()
            raise
        except BaseException as error:
            if not hasattr(waiting, "throw"):
                raise
            thrown = error
        try:
            if thrown is not None:
                yielded = waiting.throw(thrown)
            elif value is None and hasattr(waiting, "__next__"):
                yielded = waiting.__next__()
            else:
                yielded = waiting.send(value)
        except StopIteration as stop:
            return stop.value
        finally:
            thrown = None


class Seen(StandIn):
    """Stands for a receiver that is called by others, after the commit or with a batch: its call is watched then."""

    __slots__ = ("is_async", "sender", "signal")

    def __init__(self, receiver: Any, signal: Any, sender: Any, is_async: bool) -> None:
        super().__init__(receiver)
        self.signal, self.sender, self.is_async = signal, sender, is_async

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the receiver, or return the coroutine that does."""
        if self.is_async:
            return self.awaited(args, kwargs)
        with surrounding("calling", self.signal, self.sender, self.receiver, of_a_row=False):
            return self.receiver(*args, **kwargs)

    async def awaited(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the receiver, and await it."""
        with surrounding("calling", self.signal, self.sender, self.receiver, of_a_row=False):
            return await self.receiver(*args, **kwargs)


Delivery = tuple[Any, Any, AbstractContextManager[Any], "Receiver"]
"""A receiver, the function to call in its place, the context around the call, and its record."""


def deliveries(signal: Any, records: Sequence[Receiver], sender: Any, keywords: dict[str, Any]) -> Iterator[Delivery]:
    """Yield the receivers that are alive and whose conditions hold, in order."""
    for record in records:
        receiver = record.itself()
        if receiver is None:
            continue
        if record.options.when is not None and not is_wanted(signal, record, receiver, sender, keywords):
            continue
        target: Any = Batched(receiver) if record.batched else receiver
        if record.waits:
            seen = Seen(target, signal, sender, record.is_async) if WATCHERS else target
            yield receiver, record.deferred(seen), NOTHING, record
        else:
            yield receiver, target, surrounding("calling", signal, sender, receiver), record


def is_wanted(signal: Any, record: Receiver, receiver: Any, sender: Any, keywords: dict[str, Any]) -> bool:
    """Judge the condition of a connection; an error of it names the receiver."""
    try:
        return record.is_wanted(sender, keywords)
    except Exception as error:
        annotate(error, signal, sender, receiver)
        raise


def put_off(result: object, record: Receiver) -> bool:
    """Tell whether a call was left for the end of the transaction, so that there is nothing to await."""
    return result is None and record.waits


def kept(error: Exception, signal: Any, sender: Any, receiver: Any) -> Exception:
    """Return an exception as a receiver's result; it is logged, since nobody has to look at it."""
    import logging  # half of the time that this package takes to import

    logging.getLogger("aldis").error(
        "receiver %s of %s raised", describe(receiver), name_of_signal(signal), exc_info=error
    )
    return error


def send(
    signal: Any,
    records: Sequence[Receiver],
    sender: Any,
    wrapper: Callable[..., Any] | None,
    keywords: dict[str, Any],
    keep: bool = False,
) -> list[tuple[Any, Any]]:
    """Call the receivers; return each with its result, or with ``keep`` its exception."""
    results: list[tuple[Any, Any]] = []
    with surrounding("sending", signal, sender, len(records)):
        for receiver, target, calling, record in deliveries(signal, records, sender, keywords):
            try:
                with calling:
                    if record.is_async:
                        if wrapper is None:
                            raise RuntimeError("Cannot send to a coroutine function.")  # noqa: TRY301
                        target = wrapper(target)  # noqa: PLW2901
                    result = record.deliver(target, sender, keywords)
            except Exception as error:
                annotate(error, signal, sender, receiver)
                if not keep:
                    raise
                result = kept(error, signal, sender, receiver)
            results.append((receiver, result))
    return results


async def send_async(
    signal: Any,
    records: Sequence[Receiver],
    sender: Any,
    wrapper: Callable[..., Any] | None,
    keywords: dict[str, Any],
    keep: bool = False,
    either: bool = False,
) -> list[tuple[Any, Any]]:
    """Await the receivers; with ``either`` plain functions are called without a wrapper."""
    results: list[tuple[Any, Any]] = []
    with surrounding("sending", signal, sender, len(records)):
        for receiver, target, calling, record in deliveries(signal, records, sender, keywords):
            try:
                with calling:
                    is_async = record.is_async
                    if not is_async and wrapper is not None:
                        target, is_async = wrapper(target), True  # noqa: PLW2901
                    elif not is_async and not either:
                        raise RuntimeError("Cannot send to a non-coroutine function.")  # noqa: TRY301
                    result = record.deliver(target, sender, keywords)
                    if type(result) is CoroutineType or (is_async and not put_off(result, record)):
                        result = await result
            except Exception as error:
                annotate(error, signal, sender, receiver)
                if not keep:
                    raise
                result = kept(error, signal, sender, receiver)
            results.append((receiver, result))
    return results
