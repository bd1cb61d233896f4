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
    ends = [each for each in found if each["kind"] == "end to end"]
    cost = saving["forwarded"] - saving["plain"]
    rows = [("a forwarded row of a bulk save of 100,000 on PostgreSQL, microseconds", cost, "at most", 1.5)]
    rows += [
        (f"{each['broker']}: the relay, over a bare publisher", each["relay"] / each["bare"], "at least", 0.9)
        for each in brokers
    ]
    rows += [
        (f"{each['broker']}: save to receiver's commit, over bare", each["aldis"] / each["bare"], "at least", 0.5)
        for each in ends
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
        "## End to end, events a second",
        "",
        "| | FastStream alone | aldis | CPU of FastStream, µs each | of aldis |",
        "| --- | ---: | ---: | ---: | ---: |",
        *(
            f"| {each['broker']} | {each['bare']:,.0f} | {each['aldis']:,.0f} "
            f"| {each['bare cpu']:,.0f} | {each['aldis cpu']:,.0f} |"
            for each in ends
        ),
        "",
        "With aldis: 5,000 rows are saved by `bulk_create`, the relay passes their events on, and a receiver with",
        "`database=` takes them; the clock runs from the save until the inbox on PostgreSQL has all events. FastStream",
        "alone: no row is saved; messages of the same size are published, 256 at once, each confirmed, and 16",
        "subscribers take them, as many as there are lanes. Each message is noted by the same INSERT into the inbox,",
        "committed, and then acknowledged. aldis notes events of several lanes in one transaction where the receiver",
        "is quick. In both cases all of it runs in one process, with the same pool of connections and the same",
        "acknowledgements of the broker. aldis keeps the events of a key in order: the broker has one message of a",
        "lane under way at a time.",
        "",
    ]
    PAGE.write_text("\n".join(lines), "utf-8")


if __name__ == "__main__":
    main()
