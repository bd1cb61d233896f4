"""Objects that can be senders, and those that cannot.

Mapped classes are known by their attributes: dispatch knows no SQLAlchemy.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from importlib import import_module
from types import FunctionType, MethodType
from typing import Any, Final

from ..errors import SignalError
from ..suggestions import did_you_mean
from .receiver import describe, short_repr

__all__ = ["NAMED", "note_class", "notify_of_classes", "refuse_unknowable", "refuse_unmapped", "refuse_unsent"]


def refuse_unknowable(sender: Any) -> None:
    """Refuse a sender that could not be known again.

    Raises:
        SignalError: The sender is a reference to an object that is gone, or can neither be hashed nor referenced.
    """
    kind = type(sender)
    proxy = kind in weakref.ProxyTypes
    if (kind is weakref.ReferenceType and sender() is None) or (proxy and is_dead(sender)):
        raise SignalError(f"cannot listen to {object.__repr__(sender)}: the object that it refers to is gone.")
    # Other unhashable objects are watched through a weak reference, and known by identity, as in blinker.
    if kind.__hash__ is None and not proxy and (issubclass(kind, (str, int)) or not kind.__weakrefoffset__):
        raise SignalError(
            f"cannot listen to {sender!r}: a {kind.__name__} is unhashable and takes no weak references, so it "
            "could not be known again. Use the object that it belongs to, its class or a name."
        )


def is_dead(proxy: Any) -> bool:
    """Tell whether a weak proxy's object is gone."""
    try:
        proxy.__class__  # noqa: B018
    except ReferenceError:
        return True
    return False


NAMED: Final[weakref.WeakSet[type]] = weakref.WeakSet()
"""The classes that receivers of models' signals were connected to."""

LISTEN: Final[list[Callable[[type], None]]] = []
"""The function of the ORM that has sessions fire for a class and those below it."""


def note_class(sender: type) -> None:
    """Have SQLAlchemy's sessions fire for a class that a receiver of a models' signal was connected to."""
    NAMED.add(sender)
    if not LISTEN and (hasattr(sender, "__mapper__") or is_declarative(sender)):
        # By its name: dispatch is below the ORM, and works without it. The ORM calls notify_of_classes().
        import_module("aldis.orm.model")
    elif LISTEN:
        LISTEN[0](sender)


def notify_of_classes(listen: Callable[[type], None]) -> None:
    """Call a function for each class that a receiver of a models' signal is, or was, connected to."""
    LISTEN[:] = [listen]
    for sender in list(NAMED):
        listen(sender)


def is_declarative(sender: type) -> bool:
    """Tell whether a class is a declarative base, or derives from one."""
    return hasattr(sender, "registry") and hasattr(sender, "metadata")


def refuse_unsent(signal: str, sender: Any, subclasses: bool) -> None:
    """Refuse a sender that can never send a signal of models.

    A class that is not mapped yet is accepted.

    Raises:
        SignalError: It is a declarative or abstract base and its subclasses are not asked for, an instance of a mapped
            class, a string, or a function.
    """
    who = f"{signal} is sent by mapped classes, and never by"
    if isinstance(sender, type):
        if not subclasses and is_base(sender):
            raise SignalError(
                f"{who} {describe(sender)}, which is a base of theirs: connect(receiver, {sender.__name__}, "
                "subclasses=True) hears all classes below it."
            )
    elif isinstance(sender, str):
        raise SignalError(f"{who} the string {short_repr(sender)}: give the class itself.")
    elif isinstance(sender, FunctionType | MethodType):
        raise SignalError(
            f"{who} the function {describe(sender)}: connect_via takes the class first, as in "
            f"@{signal}.connect_via(User)."
        )
    elif hasattr(type(sender), "__mapper__"):
        kind = type(sender).__name__
        raise SignalError(
            f"{who} an instance of one: give the class, {kind}, and ask in the receiver which instance it is, or "
            "with when=lambda instance: ..."
        )


def refuse_unmapped(signal: str, sender: Any, names: frozenset[str], subclasses: bool) -> None:
    """Refuse a condition on attributes that a mapped class has not.

    Args:
        signal: The name of the signal, for the message.
        sender: The sender; one that is not mapped, or not yet, is accepted.
        names: The attributes.
        subclasses: The classes below it are listened to as well.

    Raises:
        SignalError: A name is no attribute with a column.
    """
    mapper = sender.__dict__.get("__mapper__") if isinstance(sender, type) else None
    if mapper is None:
        return
    mappers = list(mapper.self_and_descendants) if subclasses else [mapper]
    # The instrumented attributes, which are there before the mappers are configured.
    attributes = {name: each for mapper in mappers for name, each in mapper.class_manager.items()}
    related = {name for name, each in attributes.items() if not hasattr(each.comparator.prop, "columns")}
    known = sorted(attributes.keys() - related)
    for name in sorted(names):
        if name in related:
            raise SignalError(
                f"when=changed({name!r}) of {signal!r}: {sender.__name__}.{name} is a relationship, whose change is "
                f"told under its foreign key. {sender.__name__} has: {', '.join(known)}."
            )
        if name not in attributes:
            raise SignalError(
                f"when=changed({name!r}) of {signal!r}: {sender.__name__} has no attribute {name!r}."
                f"{did_you_mean(name, known)} It has: {', '.join(known)}."
            )


def is_base(sender: type) -> bool:
    """Tell whether a class is a declarative base, or an abstract class on the way to the mapped ones."""
    own = sender.__dict__
    if "__mapper__" in own or not is_declarative(sender):
        return False
    return bool(own.get("__abstract__")) or "registry" in own
