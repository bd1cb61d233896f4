"""``Signal``, a ``blinker.Signal``: the bookkeeping of who is connected, the cold path of dispatch."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Generator, Hashable, Mapping
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, Concatenate, Final, Generic, TypeAlias, TypeVar, cast, overload

import blinker
from blinker import ANY
from blinker._utilities import make_ref

from ..errors import SignalError
from . import core, delivery
from .connections import FEW, SAME_PLACE, place_of
from .delivery import stand_in
from .ledger import LEDGER, Bucket
from .receiver import ANYTHING, Accepts, accepts, describe, refuse_priority, refuse_unknown
from .sender import refuse_unknowable

__all__ = ["ANY", "LifecycleSignal", "NamedSignal", "Namespace", "Signal", "default_namespace", "signal"]

if TYPE_CHECKING:
    from typing_extensions import ParamSpec

    P = ParamSpec("P", default=...)
else:
    from typing import ParamSpec

    P = ParamSpec("P")

F = TypeVar("F", bound=Callable[..., Any])

Q = ParamSpec("Q")
Wrapper: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]

ANY_KEY: Final = core.ANY_KEY
sender_key = core.sender_key


class Signal(core.Dispatch, blinker.Signal, Generic[P]):
    """A signal: whoever connects is called, in the order of connection, whenever it is sent.

    All that :class:`blinker.Signal` does, it does. On top of that, receivers run in the order in which they were
    connected; a receiver may name only the parameters that it uses; an exception carries a note that tells where it
    came from; and connecting, disconnecting and sending may go on in several threads at once.

    Args:
        doc: The docstring of the signal.

    Example:
        >>> import aldis
        >>> order_paid = aldis.Signal("An order was paid.")
        >>> @order_paid.connect
        ... def thank(sender, amount):
        ...     print(f"thank you for {amount}")
        >>> _ = order_paid.send("shop", amount=5, currency="EUR")
        thank you for 5
    """

    _parameters: Mapping[str | None, tuple[str, ...]] | None = None

    if TYPE_CHECKING:

        @overload  # type: ignore[override]
        def send(  # pyright: ignore[reportIncompatibleMethodOverride]
            self, sender: Any = None, /, *args: P.args, **kwargs: P.kwargs
        ) -> list[tuple[Callable[..., Any], Any]]: ...
        @overload
        def send(
            self, sender: Any = None, /, *, _async_wrapper: Wrapper, **kwargs: Any
        ) -> list[tuple[Callable[..., Any], Any]]: ...
        def send(self, sender: Any = None, /, *args: Any, **kwargs: Any) -> list[tuple[Callable[..., Any], Any]]:
            """See the core's."""
            ...

        @overload  # type: ignore[override]
        async def send_async(  # pyright: ignore[reportIncompatibleMethodOverride]
            self, sender: Any = None, /, *args: P.args, **kwargs: P.kwargs
        ) -> list[tuple[Callable[..., Any], Any]]: ...
        @overload
        async def send_async(
            self, sender: Any = None, /, *, _sync_wrapper: Wrapper, **kwargs: Any
        ) -> list[tuple[Callable[..., Any], Any]]: ...
        async def send_async(
            self, sender: Any = None, /, *args: Any, **kwargs: Any
        ) -> list[tuple[Callable[..., Any], Any]]:
            """See the core's."""
            ...

    else:
        send = core.send
        send_async = core.send_async

    @staticmethod
    def of(function: Callable[Concatenate[Any, Q], object]) -> Signal[Q]:
        """Make a signal that sends what a function takes: the function is the signal's description, and never called.

        The signal has the function's name and docstring. A receiver that requires anything else is refused when it is
        connected, and a type checker knows what a send takes.

        Args:
            function: Its first parameter is the sender, the others are what the signal sends.

        Returns:
            The signal, a :class:`LifecycleSignal`.

        Raises:
            SignalError: The function has no parameter for the sender, or takes any keyword.

        Example:
            >>> import aldis
            >>> @aldis.Signal.of
            ... def paid(sender: str, *, amount: int) -> None:
            ...     \"\"\"An order was paid.\"\"\"
            >>> @paid.connect
            ... def thank(sender, amout): ...
            Traceback (most recent call last):
                ...
            aldis.errors.SignalError: ... it requires 'amout', ... did you mean 'amount'? paid sends: sender, amount.
        """
        accepted = accepts(function)
        if not accepted.takes_sender or accepted.sender_name is None or accepted.everything:
            raise SignalError(
                f"cannot make a signal of {describe(function)}: its first parameter is the sender, "
                "and the others, by their names, are what the signal sends."
            )
        return cast("Signal[Q]", LifecycleSignal(function.__name__, {None: accepted.parameters}, function.__doc__))

    def __init__(self, doc: str | None = None) -> None:
        if doc:
            self.__doc__ = doc
        self.receivers: dict[Any, weakref.ref[Callable[..., Any]] | Callable[..., Any]] = {}
        self._records: dict[Any, core.Receiver] = {}
        self._by_receiver: dict[Any, Bucket] = {}  # type: ignore[assignment]
        # A sender's receiver stands at 2n, n being the number of receivers that were connected to ANY before it,
        # and the n-th of these at 2n + 1: the order across both is kept by numbers that many entries share.
        self._by_sender: dict[Any, Bucket] = {}  # type: ignore[assignment]
        self._connected_to_any = 0
        self._weak_senders: dict[Any, weakref.ref[Any]] = {}

    @cached_property
    def receiver_connected(self) -> Signal:
        """Sent at the end of each :meth:`connect`; the sender is the signal, the keywords are connect's arguments."""
        return Signal("Sent after a receiver is connected.")

    @cached_property
    def receiver_disconnected(self) -> Signal:
        """Sent at the end of each :meth:`disconnect`, not when a weakly referenced receiver dies."""
        return Signal("Sent after a receiver is disconnected.")

    def connect(
        self,
        receiver: F,
        sender: Any = ANY,
        weak: bool = True,
        *,
        after_commit: bool = False,
        batched: bool = False,
        priority: int = 0,
    ) -> F:
        """Call ``receiver`` whenever ``sender`` sends this signal.

        Args:
            receiver: Any callable; a function or a coroutine function ``(sender, **kwargs)``, or one that names those
                of the parameters that it uses. The sender goes to the first.
            sender: Who is listened to: known by identity, a ``str`` or an ``int`` by value; :data:`ANY`: everybody.
            weak: Keep only a weak reference: the receiver is disconnected when nothing else holds it. A function that
                was defined inside another needs ``weak=False``, or it is gone when the other returns.
            after_commit: Call it when the transaction that the signal was sent in has committed, and never if it rolls
                back; outside a transaction at once. As with ``weak``, the last connect decides, for all senders.
            batched: Call it once for many rows, as ``(sender, batch)``: a sequence with the keywords of each row. A
                send that is not of many rows is a batch of one. The last connect decides.
            priority: Receivers of a higher priority are called first; those of the same one in the order in which they
                were connected. The last connect decides.

        Returns:
            The receiver, so that ``@signal.connect`` decorates.

        Raises:
            SignalError: The receiver is not callable or cannot be weakly referenced, the sender is gone or cannot be
                known again, the priority is no integer, or (lifecycle signals) the receiver requires a parameter that
                is never sent.

        Example:
            >>> import aldis
            >>> saved = aldis.Signal()
            >>> @saved.connect
            ... def log(sender):
            ...     print("saved by", sender)
            >>> _ = saved.send("Ada")
            saved by Ada
        """
        if not callable(receiver):
            raise SignalError(
                f"cannot connect {receiver!r}: a {type(receiver).__name__} is not callable. "
                "Connect a function or a coroutine function."
            )
        if priority != 0 and type(priority) is not int:
            refuse_priority(priority)
        key = ANY_KEY if sender is ANY else sender_key(sender)
        if type(key) is not int:
            refuse_unknowable(sender)
        receiver_id = sender_key(receiver)
        with LEDGER:
            bucket = self._by_sender.get(key)
            if bucket is None and key != ANY_KEY:
                refuse_unknowable(sender)
            record = self._records.get(receiver_id)
            if (
                record is None
                or record.is_weak is not weak
                or (
                    (after_commit or batched or priority or not record.is_plain)
                    and (record.after_commit, record.batched, record.priority) != (after_commit, batched, priority)
                )
            ):
                self._admit(receiver_id, receiver, weak, sender, after_commit, batched, int(priority))
            elif self._parameters is not None and not batched:
                self._check(receiver, record.accepts, sender)
            if bucket is None:
                bucket = self._open(key, sender)
            if receiver_id not in bucket:
                place = 2 * self._connected_to_any
                if sender is ANY:
                    place += 1
                    self._connected_to_any += 1
                bucket[receiver_id] = place
                keys = self._by_receiver.get(receiver_id)
                if keys is None:
                    keys = self._by_receiver[receiver_id] = Bucket()
                keys[key] = SAME_PLACE if len(keys) >= FEW else place_of(sys._getframe(1))
            self._forget(key)
        if "receiver_connected" in self.__dict__ and self.receiver_connected.receivers:
            try:
                self.receiver_connected.send(self, receiver=receiver, sender=sender, weak=weak)
            except TypeError:
                self.disconnect(receiver, sender)
                raise
        return receiver

    def _check(self, receiver: Callable[..., Any], accepted: Accepts, sender: Any, names: tuple[str, ...] = ()) -> None:
        """Refuse a receiver that could never be called; only for a signal that knows its parameters."""
        raise NotImplementedError

    def _admit(
        self,
        receiver_id: Hashable,
        receiver: Callable[..., Any],
        weak: bool,
        sender: Any,
        after_commit: bool,
        batched: bool,
        priority: int,
    ) -> None:
        """Record the receiver, once for all of its senders; as in blinker, the last connect decides on ``weak``."""
        record = self._records.get(receiver_id)
        accepted = accepts(receiver) if record is None or record.batched else record.accepts
        if self._parameters is not None:
            self._check(receiver, accepted, sender, ("batch",) if batched else ())
        if batched:
            accepted = ANYTHING  # what stands for it in the plans
        reference: Any = receiver
        if weak:
            try:
                reference = make_ref(receiver, self._make_cleanup_receiver(receiver_id))
            except TypeError:
                raise SignalError(
                    f"cannot connect {describe(receiver)} weakly: a {type(receiver).__name__} takes no weak "
                    "references. Connect it with weak=False."
                ) from None
        self.receivers[receiver_id] = reference
        self._records[receiver_id] = core.Receiver(receiver, reference, accepted, after_commit, batched, priority)
        for key in list(self._by_receiver.get(receiver_id, ())):
            self._forget(key)

    def _open(self, key: Hashable, sender: Any) -> Bucket:
        """Make room for a sender's receivers. It is watched, so that no other object at its address passes for it."""
        if key != ANY_KEY and key not in self._weak_senders:
            # A str or an int is known by value; a tuple, or object(), has to be disconnected by hand.
            with suppress(TypeError):
                self._weak_senders[key] = make_ref(sender, self._make_cleanup_sender(key))
        bucket = self._by_sender[key] = Bucket()
        return bucket

    def connect_via(
        self, sender: Any, weak: bool = False, *, after_commit: bool = False, batched: bool = False, priority: int = 0
    ) -> Callable[[F], F]:
        """Connect the decorated function to ``sender``; by default strongly.

        Args:
            sender: As in :meth:`connect`.
            weak: As in :meth:`connect`, but off.
            after_commit: As in :meth:`connect`.
            batched: As in :meth:`connect`.
            priority: As in :meth:`connect`.

        Raises:
            SignalError: As :meth:`connect`.

        Example:
            >>> import aldis
            >>> saved = aldis.Signal()
            >>> @saved.connect_via("Ada")
            ... def log(sender):
            ...     print("saved by", sender)
            >>> _ = saved.send("Ada"), saved.send("Bob")
            saved by Ada
        """

        def decorator(receiver: F) -> F:
            return self.connect(receiver, sender, weak, after_commit=after_commit, batched=batched, priority=priority)

        return decorator

    def send_robust(
        self,
        sender: Any = None,
        /,
        *,
        _async_wrapper: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None,
        **kwargs: Any,
    ) -> list[tuple[Callable[..., Any], Any]]:
        """Call all receivers, whatever one of them raises: an exception is that receiver's result.

        As Django's ``send_robust``: what derives from :class:`Exception` is kept, and logged (``aldis``, ERROR), with
        the note that names the receiver; a ``KeyboardInterrupt`` or a cancellation propagates. A receiver that waits
        for a commit raises there.

        Args:
            sender: As in :meth:`send`.
            _async_wrapper: As in :meth:`send`.
            kwargs: As in :meth:`send`.

        Returns:
            The pairs of receiver and returned value, or exception.

        Raises:
            RuntimeError: A receiver is a coroutine function and there is no ``_async_wrapper``; nobody is called.

        Example:
            >>> import aldis
            >>> paid = aldis.Signal()
            >>> @paid.connect
            ... def fails(sender):
            ...     raise ValueError("no")
            >>> @paid.connect
            ... def works(sender):
            ...     return "yes"
            >>> [result for receiver, result in paid.send_robust("shop")]
            [ValueError('no'), 'yes']
        """
        records = () if self.is_muted else self._find(sender).receivers
        if _async_wrapper is None:
            for record in records:
                if record.is_async and (receiver := record.itself()) is not None:
                    raise RuntimeError(
                        f"cannot send to the coroutine function {describe(receiver)}: "
                        "await send_robust_async(), or give an _async_wrapper."
                    )
        return delivery.send(self, records, sender, _async_wrapper, kwargs, keep=True)

    async def send_robust_async(
        self,
        sender: Any = None,
        /,
        *,
        _sync_wrapper: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None,
        **kwargs: Any,
    ) -> list[tuple[Callable[..., Any], Any]]:
        """Await all receivers, one after the other, whatever one of them raises; plain functions are called.

        Args:
            sender: As in :meth:`send`.
            _sync_wrapper: As in :meth:`send_async`, but not needed.
            kwargs: As in :meth:`send`.

        Returns:
            The pairs of receiver and returned value, or exception, as :meth:`send_robust`.

        Example:
            >>> import asyncio, aldis
            >>> paid = aldis.Signal()
            >>> @paid.connect
            ... async def fails(sender):
            ...     raise ValueError("no")
            >>> @paid.connect
            ... def works(sender):
            ...     return "yes"
            >>> [result for receiver, result in asyncio.run(paid.send_robust_async("shop"))]
            [ValueError('no'), 'yes']
        """
        records = () if self.is_muted else self._find(sender).receivers
        return await delivery.send_async(self, records, sender, _sync_wrapper, kwargs, keep=True, either=True)

    def receivers_for(self, sender: Any) -> Generator[Callable[..., Any], None, None]:
        """Yield the receivers that a send by ``sender`` would call, in order.

        Args:
            sender: The sender; :data:`ANY` asks for the receivers of any sender.

        Example:
            >>> import aldis
            >>> saved = aldis.Signal()
            >>> list(saved.receivers_for("Ada"))
            []
        """
        for receiver in self._find(sender).receivers:
            live = receiver.itself()
            if live is not None:
                yield live

    def disconnect(self, receiver: Callable[..., Any], sender: Any = ANY) -> None:
        """Do not call ``receiver`` any more when ``sender`` sends; by default, whoever sends.

        Args:
            receiver: A receiver. One that is not connected is no error, as in blinker.
            sender: The only sender to disconnect it from.

        Example:
            >>> import aldis
            >>> saved = aldis.Signal()
            >>> @saved.connect
            ... def log(sender): ...
            >>> saved.disconnect(log)
            >>> saved.has_receivers_for("Ada")
            False
        """
        self._disconnect(sender_key(receiver), ANY_KEY if sender is ANY else sender_key(sender))
        if "receiver_disconnected" in self.__dict__ and self.receiver_disconnected.receivers:
            self.receiver_disconnected.send(self, receiver=receiver, sender=sender)

    def _disconnect(self, receiver_id: Hashable, sender_id: Hashable) -> None:
        with LEDGER:
            if sender_id == ANY_KEY:
                gone = (self.receivers.pop(receiver_id, None), self._records.pop(receiver_id, None))
                for key in self._by_receiver.pop(receiver_id, ()):
                    self._leave(key, receiver_id)
                del gone
            else:
                self._leave(sender_id, receiver_id)
                self._by_receiver.get(receiver_id, Bucket()).pop(sender_id, None)

    def _leave(self, key: Hashable, receiver_id: Hashable) -> None:
        bucket = self._by_sender.get(key)
        if bucket is not None and bucket.pop(receiver_id, None) is not None:
            self._forget(key)

    def _make_plan(self, key: Any) -> core.Plan:
        """Make the plan of a sender, or that of :data:`ANY`, and keep it until somebody connects or disconnects."""
        with LEDGER:
            own = self._by_sender.get(key)
            if not own:
                self._drop_unless_any(key)
                key, own = ANY_KEY, self._by_sender.get(ANY_KEY, Bucket())
            places = own if key == ANY_KEY else {**own, **self._any_before(own)}
            order = sorted(places, key=places.__getitem__) if key != ANY_KEY else list(places)
            found = [self._records.get(receiver_id) for receiver_id in order]
            records = [record for record in found if record is not None]
            if any(record.priority for record in records):
                records.sort(key=lambda record: -record.priority)
            plan = core.Plan(records, stand_in(self, records))
            self._plans[key] = plan
            return plan

    def _drop_unless_any(self, key: Hashable) -> None:
        if key != ANY_KEY:
            self._drop(key)

    def _any_before(self, own: Bucket) -> dict[Hashable, int]:
        """Return the receivers of :data:`ANY`; one that is connected both ways stands where it stood first."""
        # A copy: an object's __del__ may connect or disconnect while this loops, in this very thread.
        everybody = self._by_sender.get(ANY_KEY, Bucket()).copy()
        return {each: min(place, own.get(each, place)) for each, place in everybody.items()}

    def _make_cleanup_receiver(self, receiver_id: Hashable) -> Callable[[weakref.ref[Callable[..., Any]]], None]:
        def cleanup(reference: weakref.ref[Callable[..., Any]]) -> None:
            def strike() -> None:
                # Another receiver may have its id by now.
                if self.receivers.get(receiver_id) is reference:
                    self._disconnect(receiver_id, ANY_KEY)

            if not sys.is_finalizing():
                LEDGER.deaths.append(strike)
                LEDGER.strike_out()

        return cleanup

    def _make_cleanup_sender(self, sender_id: Hashable) -> Callable[[weakref.ref[Any]], None]:
        def cleanup(reference: weakref.ref[Any]) -> None:
            def strike() -> None:
                if self._weak_senders.get(sender_id) is reference:
                    del self._weak_senders[sender_id]
                    for receiver_id in self._by_sender.pop(sender_id, ()):
                        self._by_receiver.get(receiver_id, Bucket()).pop(sender_id, None)

            if not sys.is_finalizing():
                self._drop(sender_id)  # at once: the address may be another object's before the ledger is settled
                LEDGER.deaths.append(strike)
                LEDGER.strike_out()

        return cleanup

    def _cleanup_bookkeeping(self) -> None:
        """Let go of what is kept for senders and receivers that are not connected any more."""
        with LEDGER:
            for mapping in (self._by_sender, self._by_receiver):
                for ident, bucket in list(mapping.items()):
                    if not bucket:
                        del mapping[ident]

    def _clear_state(self) -> None:
        """Disconnect all receivers and senders. Useful for tests."""
        with LEDGER:
            for mapping in (self._weak_senders, self.receivers, self._records, self._by_sender, self._by_receiver):
                mapping.clear()
            self._forget(ANY_KEY)


class NamedSignal(Signal, blinker.NamedSignal):  # pyright: ignore[reportIncompatibleVariableOverride]
    """A signal with a name.

    Args:
        name: The name, which messages and reprs show.
        doc: The docstring of the signal.

    Example:
        >>> NamedSignal("paid").name
        'paid'
    """

    def __init__(self, name: str, doc: str | None = None) -> None:
        Signal.__init__(self, doc)
        self.name: str = name


class LifecycleSignal(NamedSignal):
    """A signal whose parameters are known: a receiver that requires another one is refused when it is connected.

    Args:
        name: The name.
        parameters: What it sends beside the sender, in order, by sender; ``None`` stands for any sender.
        doc: The docstring of the signal.

    Example:
        >>> ping = LifecycleSignal("ping", {None: ("instance",)})
        >>> @ping.connect
        ... def pong(sender, instanse): ...
        Traceback (most recent call last):
            ...
        aldis.errors.SignalError: ... it requires 'instanse', ... did you mean 'instance'? ping sends: sender, instance.
    """

    def __init__(self, name: str, parameters: Mapping[str | None, tuple[str, ...]], doc: str | None = None) -> None:
        super().__init__(name, doc)
        self._parameters = dict(parameters)
        self.parameters: tuple[str, ...] = tuple(dict.fromkeys(name for names in parameters.values() for name in names))
        """The names of all that it may send beside the sender."""

    def _check(self, receiver: Callable[..., Any], accepted: Accepts, sender: Any, names: tuple[str, ...] = ()) -> None:
        own = self._parameters.get(sender) if self._parameters and isinstance(sender, str) else None
        refuse_unknown(receiver, accepted, self.name, names or own or self.parameters)


class Namespace(blinker.Namespace):
    """A dict of names and signals.

    Example:
        >>> shop = Namespace()
        >>> shop.signal("paid") is shop.signal("paid")
        True
    """

    def signal(self, name: str, doc: str | None = None) -> NamedSignal:
        """Return the signal of that name, created where there is none.

        Args:
            name: The name of the signal.
            doc: Its docstring, where it is created.
        """
        found = self.get(name)
        if found is None:
            found = self.setdefault(name, NamedSignal(name, doc))
        return cast("NamedSignal", found)


default_namespace: Final = Namespace()
"""Where :func:`signal` keeps its signals."""

signal = default_namespace.signal
"""Return the signal of that name in :data:`default_namespace`, created where there is none."""
