"""Receivers on other machines: an outbox, a relay to a broker or none, and the far side."""

from __future__ import annotations

try:
    import msgspec  # noqa: F401
except ImportError as error:
    raise ImportError("aldis.relay writes its events with msgspec, which is not installed: pip install 'aldis[relay]'") from error

from .app import app
from .events import LANES, Event, Snapshot
from .outbox import forward
from .passing import Relay
from .receivers import RECEIVERS, SchemaError, receiver, snapshot
from .tables import add_tables, create_tables

__all__ = [
    "LANES",
    "RECEIVERS",
    "Event",
    "Relay",
    "SchemaError",
    "Snapshot",
    "add_tables",
    "app",
    "create_tables",
    "forward",
    "receiver",
    "snapshot",
]
