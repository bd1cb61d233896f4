"""The signals of one model class: the lifecycle signals, rewired or not, and its own."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Final

import blinker

from ..errors import SignalError
from . import emitters
from .foreign import ForeignSignal
from .of_relations import note_connection
from .on_request import note_asking
from .row_receivers import OF_ROWS
from .signal import NamedSignal, Signal

__all__ = ["Broadcaster"]

OF_MIGRATIONS: Final = frozenset({"pre_migrate", "post_migrate", "revision_applied"})
"""The signals whose sender is an Alembic command, and no model."""


def merged(parents: tuple[Broadcaster, ...]) -> tuple[Broadcaster, ...]:
    """Return parents and theirs in the method resolution order of classes (the C3 merge of Python's manual).

    Where there is none, an ancestor of the first parent goes first.
    """
    orders = [[parent, *parent._ancestors] for parent in parents] + [[*parents]]
    found: list[Broadcaster] = []
    while orders := [order for order in orders if order]:
        heads = [order[0] for order in orders]
        head = next((each for each in heads if not any(each in order[1:] for order in orders)), heads[0])
        found.append(head)
        orders = [[each for each in order if each is not head] for order in orders]
    return tuple(found)


class Broadcaster(MutableMapping[str, blinker.Signal]):
    """Signals by name, through attributes or items; a missing name is created.

    It is a mapping too. ``get()``, ``items()``, ``pop()`` and the others create no signal; ``setdefault()`` does.

    A broadcaster with parents sees their signals, later changes included, until it sets its own. The first that has
    a name decides, in the method resolution order of classes.

    Args:
        signals: The first signals, by name.
        parents: Those whose signals it sees.

    Example:
        >>> import aldis
        >>> base = aldis.Broadcaster()
        >>> base.on_verify = aldis.Signal()
        >>> derived = aldis.Broadcaster(parents=[base])
        >>> derived.on_verify is base.on_verify
        True
    """

    _signals: dict[str, blinker.Signal]
    _parents: tuple[Broadcaster, ...]
    _ancestors: tuple[Broadcaster, ...]
    """The parents and theirs, in the order in which they are asked."""
    _children: weakref.WeakSet[Broadcaster]
    _found: dict[str, blinker.Signal]
    """The signals that were asked for and found, here or at a parent. Another dict after each change."""
    _pairs: dict[str, tuple[Any, Any]]
    """The signals before and after operations of a kind, likewise: a save asks for these alone."""

    def __init__(
        self, signals: Mapping[str, blinker.Signal] | None = None, parents: Iterator[Broadcaster] | Any = ()
    ) -> None:
        object.__setattr__(self, "_signals", {})
        object.__setattr__(self, "_parents", tuple(parents))
        object.__setattr__(self, "_ancestors", merged(self._parents))
        object.__setattr__(self, "_children", weakref.WeakSet())
        object.__setattr__(self, "_found", {})
        object.__setattr__(self, "_pairs", {})
        for parent in self._parents:
            parent._children.add(self)
        for name, signal in (signals or {}).items():
            self[name] = signal

    # Two broadcasters of the same signals are two: each sees later changes of its own parents.
    __eq__ = object.__eq__

    def __hash__(self) -> int:
        return id(self)

    def _seen(self, name: str) -> blinker.Signal | None:
        return next((each._signals[name] for each in (self, *self._ancestors) if name in each._signals), None)

    def _forget(self) -> None:
        """Look again for signals that are asked for, here and in those that see these signals."""
        object.__setattr__(self, "_found", {})
        object.__setattr__(self, "_pairs", {})
        for child in list(self._children):
            child._forget()

    def __getitem__(self, name: str) -> blinker.Signal:
        known = self._found  # before the look: an answer that is untrue by then goes into a dict that is not used
        found = known.get(name)
        if found is None:
            found = self._seen(name)
            if found is None:
                found = self._signals.setdefault(name, NamedSignal(name))
                self._forget()
            known[name] = found
        return found

    def _around(self, kind: str) -> tuple[Any, Any]:
        """Return the signals before and after operations of a kind: ``pre_save`` and ``post_save`` for ``"save"``.

        Each has the methods ``plan`` and ``has_receivers_for``, one of blinker's own too.
        """
        known = self._pairs  # before the look, as above
        found = known.get(kind)
        if found is None:
            pre, post = self[f"pre_{kind}"], self[f"post_{kind}"]
            found = known[kind] = (
                pre if isinstance(pre, Signal) else ForeignSignal(pre),
                post if isinstance(post, Signal) else ForeignSignal(post),
            )
        return found

    def __setitem__(self, name: str, signal: blinker.Signal) -> None:
        if not isinstance(signal, blinker.Signal):
            raise SignalError(
                f"cannot set {name!r} to {signal!r}: a {type(signal).__name__} is not a signal. "
                "Assign an aldis.Signal or a blinker.Signal."
            )
        if name.startswith("_"):
            raise SignalError(f"cannot set {name!r}: signals' names do not begin with '_'.")
        if not isinstance(signal, Signal):
            note_asking(None)  # nobody is told who connects to it: it is asked each time
        elif name in OF_ROWS:
            signal._is_of_rows = True
        note_connection(name)  # somebody may listen to the signal already
        self._signals[name] = signal
        self._forget()

    if TYPE_CHECKING:  # an attribute that was set to a plain blinker.Signal is less than this says

        def __getattr__(self, name: str) -> Signal: ...
        def __setattr__(self, name: str, signal: blinker.Signal) -> None: ...

    else:

        def __getattr__(self, name: str) -> blinker.Signal:
            if name.startswith("_"):
                raise AttributeError(f"a {type(self).__name__} has no {name!r}; signals' names do not begin with '_'.")
            return self[name]

        def __setattr__(self, name: str, signal: blinker.Signal) -> None:
            if any(name in vars(each) for each in type(self).__mro__):
                raise SignalError(
                    f"cannot set {name!r} as an attribute: it is a method of a {type(self).__name__}. Give the signal "
                    f"another name, or set it as an item: signals[{name!r}] = ..."
                )
            self[name] = signal

    def __delitem__(self, name: str) -> None:
        """Forget the signal of that name here; that of a parent is seen again."""
        try:
            del self._signals[name]
        except KeyError:
            raise SignalError(f"cannot delete {name!r}: it was not set here.") from None
        self._forget()

    __delattr__ = __delitem__

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._seen(name) is not None

    def __iter__(self) -> Iterator[str]:
        names = [name for parent in reversed(self._parents) for name in parent]
        return iter(dict.fromkeys([*names, *self._signals]))

    def get(self, name: str, default: Any = None) -> Any:
        """Return the signal of that name, here or at a parent, or the default; no signal is created."""
        found = self._seen(name)
        return default if found is None else found

    def pop(self, name: str, *default: Any) -> Any:
        """Forget the signal of that name here, and return it; that of a parent is seen again.

        Args:
            name: The name.
            default: The result where no signal of that name is set here.

        Raises:
            KeyError: None is set here, and no default was given.
        """
        if name not in self._signals:
            if default:
                return default[0]
            raise KeyError(name)
        signal = self._signals[name]
        del self[name]
        return signal

    def popitem(self) -> tuple[str, blinker.Signal]:
        """Forget the signal that was set here last, and return its name and itself.

        Raises:
            KeyError: None is set here.
        """
        if not self._signals:
            raise KeyError("no signal is set here")
        name = next(reversed(self._signals))
        return name, self.pop(name)

    def clear(self) -> None:
        """Forget all signals that are set here; those of the parents are seen again."""
        self._signals.clear()
        self._forget()

    def setdefault(self, name: str, default: blinker.Signal | None = None) -> blinker.Signal:
        """Return the signal of that name, here or at a parent; where there is none, set the default, or create one."""
        if default is not None and self._seen(name) is None:
            self[name] = default
        return self[name]

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {', '.join(self)}>"

    def set_lifecycle_signals_from(self, namespace: object, overwrite: bool = True) -> None:
        """Take all lifecycle signals, those of migrations aside, from a module, an object or a mapping.

        Args:
            namespace: Where the signals are, under their names.
            overwrite: Replace those that are set here already.

        Raises:
            SignalError: The namespace lacks one of them, or has something else under its name. Nothing is taken then.

        Example:
            >>> import aldis, aldis.signals
            >>> signals = aldis.Broadcaster()
            >>> signals.set_lifecycle_signals_from(aldis.signals)
            >>> signals.post_save is aldis.signals.post_save
            True
        """
        names = [name for name in emitters.__all__ if name not in OF_MIGRATIONS]
        found = {}
        for name in names:
            signal = namespace.get(name) if isinstance(namespace, Mapping) else getattr(namespace, name, None)
            if signal is None:
                raise SignalError(
                    f"cannot take the lifecycle signals from {namespace!r}: it has no {name!r}. It needs all of: "
                    f"{', '.join(names)}."
                )
            found[name] = signal
        taken = Broadcaster(found)
        for name in names:
            if overwrite or name not in self._signals:
                self[name] = taken[name]
