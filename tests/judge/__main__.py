"""``python -m tests.judge``: many examples on a driver, or one again."""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from .columns import DRIVERS
from .differences import differences
from .examples import Example, Row
from .outcomes import Trial, perform
from .pairs import Spec
from .report import brief, coverage, report, summary
from .running import ENOUGH, bench_of, judge

ENOUGH_EXAMPLES = 3000
"""So many examples can try all pairs often enough."""


def replay(text: str) -> None:
    """Perform one example, and print its class and both outcomes."""
    example: Example = eval(text, {"Example": Example, "Row": Row, "Spec": Spec})
    print(example.spec.source("thing"))
    with bench_of(example.driver) as bench:
        trial: Trial | None = bench.run(perform(bench.court, example))
        if trial is None:
            print("its rows cannot be prepared")
            return
        for side, outcome in (("aldis", trial.ours), ("SQLAlchemy", trial.theirs)):
            print(f"{side}: {'no error' if outcome.error is None else repr(outcome.error)}")
            for tag, row in sorted(outcome.stored.items()):
                print(f"    stored {tag}: {row}")
            for tag, instance in sorted(outcome.instances.items()):
                print(f"    instance {tag}: {instance}")
            for tag, events in sorted(outcome.events.items()):
                print(f"    events {tag}: {events}")
        found = differences(trial)
        for difference in found:
            print(difference)
        print(f"{len(found)} differences")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.judge", description=__doc__)
    parser.add_argument("--driver", action="append", help=f"one of {', '.join(DRIVERS)} (sqlite is aiosqlite); all")
    parser.add_argument("--examples", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, default=40, help="how many groups are printed")
    parser.add_argument("--self-check", action="store_true", help="compare SQLAlchemy with itself")
    parser.add_argument("--only", action="append", default=[], help="a call, or a kind of class, table or column")
    parser.add_argument("--brief", action="store_true", help="print a line for each group, and no examples")
    parser.add_argument("--replay", metavar="EXAMPLE")
    arguments = parser.parse_args()
    logging.getLogger("aldis").setLevel(logging.CRITICAL)
    for name in ("asyncmy", "psycopg", "py.warnings", "sqlalchemy.pool"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.simplefilter("ignore")
    if arguments.replay:
        replay(arguments.replay)
        return
    is_wrong = False
    for name in arguments.driver or DRIVERS:
        driver = "aiosqlite" if name == "sqlite" else name
        with bench_of(driver) as bench:
            tally = judge(
                bench,
                arguments.examples,
                arguments.seed,
                is_self_check=arguments.self_check,
                only=tuple(arguments.only),
            )
            if arguments.brief or arguments.self_check:
                print(brief(tally))
            else:
                print(report(bench, tally, limit=arguments.limit))
            few = coverage(tally)
            if few and not arguments.only and tally.tried >= ENOUGH_EXAMPLES:
                print(f"{few}\nthese pairs were tried fewer than {ENOUGH} times")
            print(summary(tally), flush=True)
            is_wrong |= bool(tally.findings)
    sys.exit(is_wrong)


main()
