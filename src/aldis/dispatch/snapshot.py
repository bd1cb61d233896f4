"""Who was connected to a signal at one moment, to be connected so again."""

from __future__ import annotations

from typing import Any, Final

from . import core
from .ledger import LEDGER, Bucket
from .receiver import strong
from .signal import Signal

__all__ = ["Connected"]

FLAT: Final = ("receivers", "_records", "_weak_senders", "_bases")
NESTED: Final = ("_by_receiver", "_by_sender")
OPTIONS: Final = "_special"


class Connected:
    """The connections of a signal at this moment, their order, and whether it is muted.

    Args:
        signal: The signal.

    Example:
        >>> import aldis
        >>> signal = aldis.Signal()
        >>> connected = Connected(signal)
        >>> _ = signal.connect(print)
        >>> connected.restore()
        >>> signal.has_receivers_for("me")
        False
    """

    def __init__(self, signal: Signal) -> None:
        self.signal = signal
        with LEDGER:
            self.is_muted = signal.is_muted
            self.connected_to_any = signal._connected_to_any
            self.kept: dict[str, Any] = {name: dict(getattr(signal, name)) for name in FLAT}
            self.kept |= {
                name: {key: Bucket(bucket) for key, bucket in getattr(signal, name).items()} for name in NESTED
            }
            self.kept[OPTIONS] = {key: dict(records) for key, records in signal._special.items()}

    def restore(self) -> None:
        """Connect those that were, in their order, and disconnect all others; who died meanwhile stays away."""
        signal = self.signal
        with LEDGER:
            signal.is_muted = self.is_muted
            signal._connected_to_any = self.connected_to_any
            for name, kept in self.kept.items():
                mapping = getattr(signal, name)
                mapping.clear()
                copied = Bucket if name in NESTED else dict
                mapping.update(kept if name in FLAT else {key: copied(each) for key, each in kept.items()})
            for receiver_id, reference in list(signal.receivers.items()):
                if strong(reference) is None:
                    signal._disconnect(receiver_id, core.ANY_KEY)
            for key, sender in list(signal._weak_senders.items()):
                if sender() is None:
                    signal._make_cleanup_sender(key)(sender)
            for key in (*signal._by_sender, core.ANY_KEY):
                signal._forget(key)
