"""Tests ask which signals fired, in which order, with which parameters: the fixture ``signals``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Self

import blinker

from .dispatch.connections import connections
from .dispatch.deferral import AFTER_COMMIT
from .dispatch.receiver import name_of_sender, name_of_signal, short_repr
from .dispatch.signal import ANY, Signal, default_namespace
from .dispatch.snapshot import Connected
from .errors import SignalError
from .signals import LIFECYCLE
from .suggestions import did_you_mean

__all__ = ["Fired", "Signals"]

FIRST: Final = 2**60
"""The priority of the recorder: a signal counts as fired whatever its receivers then do."""


@dataclass(frozen=True)
class Fired:
    """A signal that was fired."""

    name: str
    """The signal's name."""
    signal: blinker.Signal
    """The signal."""
    sender: Any
    """Who sent it."""
    arguments: Mapping[str, Any]
    """Its keywords; dictionaries and lists as they were then."""

    def __str__(self) -> str:
        told = "".join(f", {name}={short_repr(value)}" for name, value in self.arguments.items())
        return f"{self.name}({name_of_sender(self.sender)}{told})"


def copied(value: Any) -> Any:
    """Return a dictionary or a list as it is now."""
    return value.copy() if type(value) in {dict, list} else value


class Signals:
    """Records the lifecycle signals, mutes, and puts back who was connected before.

    :meth:`end` undoes each connect and disconnect since :meth:`begin`, on all signals that had a name
    then, and on those that were given to :meth:`record`.

    Example:
        >>> from aldis.signals import post_delete
        >>> from aldis.dispatch import emitters
        >>> from aldis.testing import Signals
        >>> with Signals() as signals:
        ...     _ = emitters.post_delete(post_delete, str, "a", "a", 1, False)
        ...     _ = signals.assert_fired(post_delete, str, row_count=1)
    """

    def __init__(self) -> None:
        self.all: list[Fired] = []
        """The signals that have fired, in order."""
        self._connected: dict[Signal, Connected] = {}
        self._names: dict[Signal, str] = {}

    def begin(self) -> None:
        """Record from now on."""
        for signal in known():
            self._connected[signal] = Connected(signal)
        self.record(*LIFECYCLE)

    def end(self) -> None:
        """Record no more; connect again who was connected, and nobody else."""
        for connected in self._connected.values():
            connected.restore()
        self._connected.clear()

    def __enter__(self) -> Self:
        self.begin()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.end()

    def record(self, *signals: Signal, name: str | None = None) -> None:
        """Record other signals too: a model's own, or one of yours.

        Args:
            signals: The signals.
            name: Their name in messages, where they have none of their own.

        Raises:
            SignalError: One of them is no signal of aldis.
        """
        for signal in signals:
            if not isinstance(signal, Signal):
                raise SignalError(
                    f"cannot record {signal!r}: a {type(signal).__name__} is no aldis.Signal, and keeps no places."
                )
            self._connected.setdefault(signal, Connected(signal))
            if signal not in self._names:
                self._names[signal] = name or name_of_signal(signal)
                signal.connect(self._recorder(signal), weak=False, priority=FIRST)

    def _recorder(self, signal: Signal) -> Any:
        def recorder(sender: Any, /, **arguments: Any) -> None:
            told = {name: copied(value) for name, value in arguments.items()}
            self.all.append(Fired(self._names[signal], signal, sender, told))

        return recorder

    @contextmanager
    def commit(self) -> Iterator[None]:
        """Let receivers that wait for a commit run inside a test's own transaction, which is rolled back at the end.

        In the block, an operation, a ``transaction()`` or a session that ends well directly inside the test's
        transaction calls the receivers that were connected with ``after_commit=True``, as its commit would; one that
        is rolled back calls those with ``after_rollback=True``. Outside of a transaction nothing changes.

        Example:
            >>> import asyncio, aldis
            >>> from aldis.testing import Signals
            >>> database = aldis.Database("sqlite+aiosqlite://")
            >>> async def test(signals):
            ...     async with database, database.transaction():  # the test's own, which its fixture rolls back
            ...         with signals.commit():
            ...             async with database.transaction():  # that of the tested code
            ...                 ...
            >>> with Signals() as signals:
            ...     asyncio.run(test(signals))
        """
        queue = AFTER_COMMIT.get()
        if queue is None or not queue.is_open:
            yield
            return
        before, queue.commits_in = queue.commits_in, queue.here()
        try:
            yield
        finally:
            queue.commits_in = before

    def clear(self) -> None:
        """Forget the signals that have fired so far."""
        self.all.clear()

    def fired(self, signal: Signal | str | None = None, sender: Any = ANY, **arguments: Any) -> list[Fired]:
        """Return the signals that have fired, in order.

        Args:
            signal: The signal, or its name; ``None``: any.
            sender: Its sender; :data:`aldis.ANY`: any. A class stands for itself, not for those derived from it.
            arguments: Keywords that it had, compared by ``==``.
        """
        if isinstance(signal, str):
            self._known(signal)
        return [
            each
            for each in self.all
            if (signal is None or each.signal is signal or each.name == signal)
            and (sender is ANY or each.sender is sender or (isinstance(sender, str | int) and each.sender == sender))
            and all(name in each.arguments and each.arguments[name] == value for name, value in arguments.items())
        ]

    def assert_fired(
        self, signal: Signal | str, sender: Any = ANY, *, times: int | None = None, **arguments: Any
    ) -> list[Fired]:
        """Fail unless the signal has fired so.

        Args:
            signal: The signal, or its name.
            sender: Its sender, or :data:`aldis.ANY`.
            times: How often; ``None``: once or more.
            arguments: Keywords that it had, compared by ``==``; not all need be named.

        Returns:
            Those that match, in order.

        Raises:
            AssertionError: It has not, or not as often; the message lists the signals that have fired.
        """
        found = self.fired(signal, sender, **arguments)
        if len(found) == times or (times is None and found):
            return found
        often = "" if times is None else f" {times} times, but {len(found)}"
        raise AssertionError(f"{self._wanted(signal, sender, arguments)} has not fired{often}. {self._told()}")

    def assert_not_fired(self, signal: Signal | str, sender: Any = ANY, **arguments: Any) -> None:
        """Fail if the signal has fired so.

        Args:
            signal: The signal, or its name.
            sender: Its sender, or :data:`aldis.ANY`.
            arguments: Keywords that it had.

        Raises:
            AssertionError: It has.
        """
        found = self.fired(signal, sender, **arguments)
        if found:
            raise AssertionError(
                f"{self._wanted(signal, sender, arguments)} has fired {len(found)} times. {self._told()}"
            )

    def assert_order(self, *wanted: Signal | str | tuple[Signal | str, Any]) -> None:
        """Fail unless these have fired one after the other; others may have fired between them.

        Args:
            wanted: Signals or their names, or pairs of one and its sender.

        Raises:
            AssertionError: They have not.
        """
        rest = iter(self.all)
        for number, each in enumerate(wanted):
            signal, sender = each if isinstance(each, tuple) else (each, ANY)
            matching = {id(found) for found in self.fired(signal, sender)}
            if not any(id(found) in matching for found in rest):
                after = f" after the {number} before it" if number else ""
                raise AssertionError(f"{self._wanted(signal, sender, {})} has not fired{after}. {self._told()}")

    def mute(self, *what: Signal | str) -> None:
        """Let signals, or receivers, be still until the test is over.

        Args:
            what: A signal, its name, or the name of a receiver: ``"app.receivers.send_welcome_mail"`` or its end.
                A signal that is muted is not fired, and not recorded.

        Raises:
            SignalError: Nothing has that name.
        """
        for each in what:
            muted = False
            for signal in list(self._connected):
                if each is signal or self._name(signal) == each:
                    signal.is_muted = muted = True
                elif isinstance(each, str):
                    for connection in list(connections(signal)):
                        if connection.name == each or connection.name.endswith(f".{each}"):
                            signal.disconnect(connection.receiver)
                            muted = True
            if not muted:
                raise SignalError(f"cannot mute {each!r}: no signal and no receiver has that name.{self._near(each)}")

    @contextmanager
    def muted(self, *what: Signal | str) -> Iterator[None]:
        """Let signals, or receivers, be still inside the block, as :meth:`mute` does."""
        before = [Connected(signal) for signal in self._connected]
        self.mute(*what)
        try:
            yield
        finally:
            for connected in before:
                connected.restore()

    def _name(self, signal: Signal) -> str:
        return self._names.get(signal) or name_of_signal(signal, "")

    def _known(self, name: str) -> None:
        if name not in self._names.values():
            recorded = ", ".join(sorted(set(self._names.values())))
            raise SignalError(f"{name!r} is not recorded.{self._near(name)} Recorded are: {recorded}.")

    def _near(self, name: object) -> str:
        names = [self._name(signal) for signal in self._connected]
        receivers = [connection.name for signal in self._connected for connection in connections(signal)]
        names += receivers + [receiver.rpartition(".")[2] for receiver in receivers]
        return did_you_mean(str(name), names)

    def _wanted(self, signal: Signal | str, sender: Any, arguments: Mapping[str, Any]) -> str:
        name = signal if isinstance(signal, str) else self._name(signal) or "the signal"
        if isinstance(signal, Signal) and signal not in self._names:
            raise SignalError(f"{name} is not recorded: give it to signals.record() before it fires.")
        told = "".join(f", {key}={short_repr(value)}" for key, value in arguments.items())
        return f"{name}({'any sender' if sender is ANY else name_of_sender(sender)}{told})"

    def _told(self) -> str:
        if not self.all:
            return "Nothing has."
        return "What has:\n" + "\n".join(f"  {number}. {each}" for number, each in enumerate(self.all, 1))


def known() -> Iterator[Signal]:
    """Yield the signals that have a name: the lifecycle's, and those of :func:`aldis.signal`."""
    yield from LIFECYCLE
    for signal in default_namespace.values():
        if isinstance(signal, Signal):
            yield signal
