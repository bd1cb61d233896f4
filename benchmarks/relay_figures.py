"""Make docs/relay-benchmarks.md: ``relay_figures.py RELAY.json``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import aims

PAGE = Path(__file__).parent.parent / "docs" / "relay-benchmarks.md"


def main() -> None:
    """Write the page."""
    document = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    machine = document["machine_info"]
    found = [each["extra_info"] for each in document["benchmarks"]]
    (saving,) = [each for each in found if each["kind"] == "saving"]
    brokers = [each for each in found if each["kind"] == "throughput"]
    cost = saving["forwarded"] - saving["plain"]
    rows = [("a forwarded row of a bulk save of 100,000 on PostgreSQL, microseconds", cost, "at most", 1.5)]
    rows += [
        (f"{each['broker']}: the relay, over a bare publisher", each["relay"] / each["bare"], "at least", 0.9)
        for each in brokers
    ]
    lines = [
        "<!-- Made by `make bench-relay`; never edited. -->",
        "# Benchmarks of the relay",
        "",
        f"`make bench-relay` on CPython {machine['python_version']},",
        f"{machine['cpu'].get('brand_raw', machine['machine'])}; the servers run on the same machine.",
        "Who is compared takes turns, lap by lap, and the fastest lap of each counts.",
        "",
        *aims.table(rows),
        "",
        "## The saving side",
        "",
        f"`bulk_create` of 100,000 rows of four columns, asyncpg, 9 laps: {saving['plain']:.1f} microseconds a row,",
        f"{saving['forwarded']:.1f} with `relay.forward(post_save, ...)`. PostgreSQL writes a checkpoint between laps.",
        "",
        "## Throughput, events a second",
        "",
        "| | FastStream, one by one | FastStream, many at once | relay | CPU of FastStream, µs each | of the relay |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *(
            f"| {each['broker']} | {each['one by one']:,.0f} | {each['bare']:,.0f} | {each['relay']:,.0f} "
            f"| {each['bare cpu']:,.0f} | {each['relay cpu']:,.0f} |"
            for each in brokers
        ),
        "",
        "The bare publisher sends one body of the same size again and again, as many at once as the relay does, and",
        "awaits each confirmation. The relay reads 20,000 events from the outbox on PostgreSQL, gives each its nine",
        "attributes, and deletes it when the broker has confirmed it. It gives its messages to the clients of NATS and",
        "RabbitMQ directly, and to Redis in a pipeline. With a broker of your own, whose middlewares may want to see",
        "each message, it publishes through FastStream.",
        "",
    ]
    PAGE.write_text("\n".join(lines), "utf-8")


if __name__ == "__main__":
    main()
