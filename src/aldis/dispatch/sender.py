"""What can be a sender, and what cannot."""

from __future__ import annotations

import weakref
from typing import Any

from ..errors import SignalError

__all__ = ["refuse_unknowable"]


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
