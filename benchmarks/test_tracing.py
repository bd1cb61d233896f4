"""The costs of tracing: none before it is turned on and after it is off again, and some while it is on."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import TracerProvider

from aldis import tracing
from aldis.bench import laps_of_emitter, timed

RECEIVERS = 5
LAP = 2_000_000  # nanoseconds of one measured round, about


@pytest.mark.parametrize("state", ["never on", "off again", "on"])
def test_traced_send(benchmark, state) -> None:
    laps = laps_of_emitter("async", RECEIVERS)
    if state != "never on":
        tracing.instrument(TracerProvider())
        timed(laps, 100)
    if state == "off again":
        tracing.uninstrument()
    number = max(1, int(1000 * LAP / timed(laps, 1000)))
    benchmark.group = f"tracing, {RECEIVERS} async receivers"
    benchmark.extra_info.update(peer=state, kind="tracing", number=number)
    benchmark.pedantic(laps, args=(number,), rounds=30, warmup_rounds=3)
    tracing.uninstrument()
