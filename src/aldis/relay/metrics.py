"""The relay's figures for OpenTelemetry, where it is installed: depth, age and lag."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from .monitoring import look

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..orm.database import Database
    from .event import Event

__all__ = ["Metrics", "serve"]

log: Final = logging.getLogger("aldis.relay")

LOOK_SECONDS: Final = 5.0
"""Between two looks at the tables."""


class Metrics:
    """The instruments of a relay: they do nothing where ``opentelemetry-api`` is not installed, or has no provider.

    Args:
        database: Where the outbox is.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.meter: Any = None
        try:
            from opentelemetry.metrics import get_meter
        except ImportError:
            return
        self.meter = meter = get_meter("aldis")
        self.passed = meter.create_counter("aldis.relay.passed", "{event}", "Events that were passed on")
        self.lag = meter.create_histogram("aldis.relay.lag", "s", "From the save until the event was passed on")
        self.gauges = {
            "waiting": meter.create_gauge("aldis.relay.waiting", "{event}", "Events in the outbox"),
            "age": meter.create_gauge("aldis.relay.age", "s", "How long the oldest of them has waited"),
            "aside": meter.create_gauge("aldis.relay.aside", "{event}", "Events that are tried again"),
            "dead": meter.create_gauge("aldis.relay.dead", "{event}", "Events that were given up"),
        }

    def count(self, events: Sequence[Event], now: float) -> None:
        """Count a row of the outbox that was passed on."""
        if self.meter is not None:
            self.passed.add(len(events), {"aldis.sender": events[0].sender, "aldis.signal": events[0].signal})
            self.lag.record(max(now - events[0].time, 0.0))

    async def watch(self) -> None:
        """Look at the tables now and then; runs until it is cancelled."""
        while self.meter is not None:
            try:
                found = await look(self.database)
            except Exception as error:
                log.info("cannot look how the relay is doing: %s: %s", type(error).__name__, error)
            else:
                for name, gauge in self.gauges.items():
                    gauge.set(getattr(found, name))
            await asyncio.sleep(LOOK_SECONDS)


def serve(port: int) -> None:
    """Serve these figures, as Prometheus reads them, on a port of this machine's own address.

    Args:
        port: The port, for ``http://127.0.0.1:port/metrics``.

    Raises:
        ImportError: ``opentelemetry-exporter-prometheus`` is not installed.
        OSError: The port is taken.
    """
    from opentelemetry.exporter.prometheus import PrometheusMetricReader
    from opentelemetry.metrics import set_meter_provider
    from opentelemetry.sdk.metrics import MeterProvider
    from prometheus_client import start_http_server

    set_meter_provider(MeterProvider([PrometheusMetricReader()]))
    start_http_server(port, "127.0.0.1")
