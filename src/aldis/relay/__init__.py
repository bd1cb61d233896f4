"""Receivers on other machines: an outbox, a relay to a broker or none, and the far side."""

from __future__ import annotations

try:
    import msgspec  # noqa: F401
except ImportError as error:
    raise ImportError(
        "aldis.relay writes its events with msgspec, which is not installed: pip install 'aldis[relay]'"
    ) from error

from .application import app
from .event import LANES, Event, Snapshot
from .monitoring import DeadLetter, Status, dead_letters, forget, retry, status
from .outbox import forward
from .receivers import RECEIVERS, SchemaError, receiver, snapshot
from .relay import Relay
from .tables import add_tables, create_tables

__all__ = [
    "LANES",
    "RECEIVERS",
    "DeadLetter",
    "Event",
    "Relay",
    "SchemaError",
    "Snapshot",
    "Status",
    "add_tables",
    "app",
    "create_tables",
    "dead_letters",
    "forget",
    "forward",
    "receiver",
    "retry",
    "snapshot",
    "status",
]
