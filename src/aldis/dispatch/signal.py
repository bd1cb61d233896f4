"""``Signal``, a ``blinker.Signal``: the methods that its users call."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any, Concatenate, Final, Generic, TypeAlias, TypeVar, cast, overload

import blinker
from blinker import ANY

from ..errors import SignalError
from . import core, delivery
from .bookkeeping import ANY_KEY, Bookkeeping
from .conditions import condition_of
from .of_relations import note_connection
from .on_request import hide
from .own_docstring import with_own_docstring
from .receiver import accepts, describe, name_of_sender, refuse_priority, refuse_sender, refuse_unknown
from .records import PLAIN, Options, Receiver
from .row_receivers import OF_ROWS, refuse_rows
from .sender import note_class, refuse_unmapped, refuse_unsent

__all__ = ["ANY", "LifecycleSignal", "ModelSignal", "NamedSignal", "Namespace", "Signal", "default_namespace", "signal"]

if TYPE_CHECKING:
    from typing_extensions import ParamSpec

    P = ParamSpec("P", default=...)
else:
    from typing import ParamSpec

    P = ParamSpec("P")

F = TypeVar("F", bound=Callable[..., Any])

Q = ParamSpec("Q")
Wrapper: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]

sender_key = core.sender_key


@with_own_docstring
class Signal(Bookkeeping, Generic[P]):
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

    _receiver_connected: Signal | None
    _receiver_disconnected: Signal | None

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
        """Make a signal that sends the parameters of a function: it is the signal's description, and never called.

        The signal has the function's name and docstring. A receiver that requires anything else is refused when it is
        connected, and a type checker knows the parameters of a send.

        Args:
            function: Its first parameter is the sender, the others are the signal's parameters.

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
            aldis.errors.SignalError: ... it requires 'amout', ... Did you mean 'amount'? paid sends: sender, amount.
        """
        accepted = accepts(function)
        if not accepted.takes_sender or accepted.sender_name is None or accepted.everything:
            raise SignalError(
                f"cannot make a signal of {describe(function)}: its first parameter is the sender, "
                "and the others are the signal's parameters."
            )
        return cast("Signal[Q]", LifecycleSignal(function.__name__, {None: accepted.parameters}, function.__doc__))

    def __init__(self, doc: str | None = None) -> None:
        if doc:
            self.__doc__ = doc
        self._begin()

    @property
    def receiver_connected(self) -> Signal:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Sent at the end of each :meth:`connect`; the sender is the signal, the keywords are connect's arguments."""
        if self._receiver_connected is None:
            self._receiver_connected = Signal("Sent after a receiver is connected.")
        return self._receiver_connected

    @property
    def receiver_disconnected(self) -> Signal:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Sent at the end of each :meth:`disconnect`, not when a weakly referenced receiver dies."""
        if self._receiver_disconnected is None:
            self._receiver_disconnected = Signal("Sent after a receiver is disconnected.")
        return self._receiver_disconnected

    def connect(
        self,
        receiver: F,
        sender: Any = ANY,
        weak: bool = True,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: bool = False,
        rows: bool = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> F:
        """Call ``receiver`` whenever ``sender`` sends this signal.

        Args:
            receiver: Any callable; a function or a coroutine function ``(sender, **kwargs)``, or one that names those
                of the parameters that it uses. The sender goes to the first.
            sender: Who is listened to: known by identity, a ``str`` or an ``int`` by value; :data:`ANY`: everybody.
            weak: Keep only a weak reference: the receiver is disconnected when nothing else holds it. A function that
                was defined inside another needs ``weak=False``, or it is gone when the other returns.
            after_commit: Call it when the transaction that the signal was sent in has committed, and never if it rolls
                back; outside a transaction at once.
            after_rollback: Call it when the transaction that the signal was sent in has ended, if the signal's rows
                were rolled back, with that transaction or with a savepoint of it. With ``after_commit=True`` too it
                is called in either case, and may have a parameter ``committed``, a bool.
            batched: Call it once for many rows, as ``(sender, batch)``: a sequence with the keywords of each row. A
                send that is not of many rows is a batch of one.
            rows: Call it for each row of statements over many rows, ``query.update()``, ``query.delete()`` and a
                session's ``update(Model)`` and ``delete(Model)``, as it is called for one instance; only of the four
                update and delete signals. Without it such a statement calls it once.
            priority: Receivers of a higher priority are called first; those of the same one in the order in which they
                were connected.
            when: Call it only where this holds: ``aldis.changed("email")``, ``aldis.created``, ``aldis.updated``, or a
                plain function of the signal's parameters, by name, ``sender`` among them. It is judged when the signal
                is sent. Of many rows a batched receiver gets those for which it holds.
            subclasses: The sender is a class: listen to it and to all classes below it, present and future.

        ``weak`` is the receiver's: the last connect decides. The other options belong to the connection, of this
        receiver and this sender: connected again, it has other options and keeps its place. A receiver that hears a
        sender by several connections is called once, by the nearest: the sender itself, then the classes above it in
        their order, then :data:`ANY`.

        Returns:
            The receiver, so that ``@signal.connect`` decorates.

        Raises:
            SignalError: The receiver is not callable or cannot be weakly referenced, the sender is gone or cannot be
                known again, the priority is no integer, the condition is no plain function, ``rows`` is asked of a
                signal that no statement over many rows fires, or (lifecycle signals) the receiver or its condition
                requires a parameter that is never sent.

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
        options = PLAIN
        if after_commit or after_rollback or batched or rows or priority or when is not None or subclasses:
            condition = None if when is None else condition_of(when)
            options = Options(
                bool(after_commit),
                bool(batched),
                int(priority),
                condition,
                bool(subclasses),
                bool(after_rollback),
                rows=bool(rows),
            )
            if rows and not self._is_of_rows:
                refuse_rows(receiver, self)
            if subclasses and not isinstance(sender, type):
                raise SignalError(
                    f"subclasses=True needs a class as the sender, not {name_of_sender(sender)}: it is for all classes "
                    "below it."
                )
        self._connect(receiver, sender, weak, options)
        if self._parameters is not None and isinstance(sender, type):
            self._note_class(sender)
        told = self._receiver_connected
        if told is not None and told.receivers:
            try:
                told.send(self, receiver=receiver, sender=sender, weak=weak)
            except TypeError:
                self.disconnect(receiver, sender)
                raise
        return receiver

    def _note_class(self, sender: type) -> None:
        """Take note of a class that a receiver was connected to; a signal of models has sessions fire for it."""

    def _check_sender(self, sender: Any, subclasses: bool) -> None:
        """Refuse a sender that never sends the signal; of a signal of the user's own, nobody knows."""

    def connect_via(
        self,
        sender: Any,
        weak: bool = False,
        *,
        after_commit: bool = False,
        after_rollback: bool = False,
        batched: bool = False,
        rows: bool = False,
        priority: int = 0,
        when: Callable[..., object] | None = None,
        subclasses: bool = False,
    ) -> Callable[[F], F]:
        """Connect the decorated function to ``sender``; by default strongly.

        Args:
            sender: As in :meth:`connect`.
            weak: As in :meth:`connect`, but off.
            after_commit: As in :meth:`connect`.
            after_rollback: As in :meth:`connect`.
            batched: As in :meth:`connect`.
            rows: As in :meth:`connect`.
            priority: As in :meth:`connect`.
            when: As in :meth:`connect`.
            subclasses: As in :meth:`connect`.

        Raises:
            SignalError: As :meth:`connect`.

        Example:
            >>> import aldis
            >>> paid = aldis.Signal()
            >>> @paid.connect_via("shop", when=lambda amount: amount > 100)
            ... def thank(sender, amount):
            ...     print("thank you for", amount)
            >>> _ = paid.send("shop", amount=5), paid.send("shop", amount=500)
            thank you for 500
        """
        self._check_sender(sender, subclasses)

        def decorator(receiver: F) -> F:
            return self.connect(
                receiver,
                sender,
                weak,
                after_commit=after_commit,
                after_rollback=after_rollback,
                batched=batched,
                rows=rows,
                priority=priority,
                when=when,
                subclasses=subclasses,
            )

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

        As Django's ``send_robust``: a subclass of :class:`Exception` is kept, and logged (``aldis``, ERROR), with
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
        self._renew(records)
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
        self._renew(records)
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
        told = self._receiver_disconnected
        if told is not None and told.receivers:
            told.send(self, receiver=receiver, sender=sender)


@with_own_docstring
class NamedSignal(Signal, blinker.NamedSignal):  # pyright: ignore[reportIncompatibleVariableOverride]
    """A signal with a name.

    Args:
        name: The name, which messages and reprs show.
        doc: The docstring of the signal.

    Example:
        >>> NamedSignal("paid").name
        'paid'
    """

    __slots__ = ("name",)

    def __init__(self, name: str, doc: str | None = None) -> None:
        Signal.__init__(self, doc)
        self.name: str = name


@with_own_docstring
class LifecycleSignal(NamedSignal):
    """A signal whose parameters are known: a receiver that requires another one is refused when it is connected.

    Args:
        name: The name.
        parameters: Its parameters beside the sender, in order, by sender; ``None`` stands for any sender.
        doc: The docstring of the signal.
        on_request: The parameter that a receiver gets only if it names it; of a signal that any sender may send.

    Example:
        >>> ping = LifecycleSignal("ping", {None: ("instance",)})
        >>> @ping.connect
        ... def pong(sender, instanse): ...
        Traceback (most recent call last):
            ...
        aldis.errors.SignalError: ... it requires 'instanse', ... Did you mean 'instance'? ping sends: sender, instance.
    """

    __slots__ = ("_is_of_rows", "_parameters", "parameters")

    def __init__(
        self,
        name: str,
        parameters: Mapping[str | None, tuple[str, ...]],
        doc: str | None = None,
        *,
        on_request: str | None = None,
    ) -> None:
        super().__init__(name, doc)
        if on_request is not None:
            hide(parameters[None], on_request)
        self._parameters = dict(parameters)
        self._is_of_rows = name in OF_ROWS
        self.parameters: tuple[str, ...] = tuple(dict.fromkeys(name for names in parameters.values() for name in names))
        """The names of all that it may send beside the sender."""

        if set(parameters) == {None}:
            self._names = self.parameters

    def _names_of(self, sender: Any) -> tuple[str, ...]:
        names = None if self._parameters is None else self._parameters.get(sender)
        if names is None:
            refuse_sender(self.name, sender, [each for each in self._parameters or () if each is not None])
        return names

    def _check(self, receiver: Callable[..., Any], record: Receiver | None, sender: Any, options: Options) -> None:
        own = self._parameters.get(sender) if self._parameters and isinstance(sender, str) else None
        names = own or self.parameters
        accepted = accepts(receiver) if record is None else record.own_parameters
        told = ("committed",) if options.after_commit and options.after_rollback else ()
        refuse_unknown(receiver, accepted, self.name, (*(("batch",) if options.batched else names), *told))
        if options.when is not None:
            options.when.refuse_unknown(self.name, names)


@with_own_docstring
class ModelSignal(LifecycleSignal):
    """A lifecycle signal that mapped classes send: it refuses a sender that never can."""

    def _check_sender(self, sender: Any, subclasses: bool) -> None:
        if sender is not ANY:
            refuse_unsent(self.name, sender, subclasses)

    def _check(self, receiver: Callable[..., Any], record: Receiver | None, sender: Any, options: Options) -> None:
        self._check_sender(sender, options.subclasses)
        if options.when is not None and options.when.attributes:
            refuse_unmapped(self.name, sender, options.when.attributes, options.subclasses)
        super()._check(receiver, record, sender, options)
        note_connection(self.name)

    def _note_class(self, sender: type) -> None:
        note_class(sender)


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
