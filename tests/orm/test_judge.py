"""What aldis does with rows is what SQLAlchemy does with them: the judge's short run, and the faults that are known.

``ALDIS_JUDGE_EXAMPLES`` is the number of examples on each driver, and ``ALDIS_JUDGE_SEED`` another set of them. ``make
judge`` is the long run.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from judge.columns import DRIVERS
from judge.known import KNOWN, Known, explained
from judge.meant import table
from judge.report import report, summary
from judge.running import Bench, bench_of, judge

EXAMPLES = int(os.environ.get("ALDIS_JUDGE_EXAMPLES", "200"))
SEED = int(os.environ.get("ALDIS_JUDGE_SEED", "1"))

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning", "ignore::RuntimeWarning")


@pytest.fixture(scope="module", params=DRIVERS)
def bench(request):
    """Return the court of a driver."""
    with bench_of(request.param) as found:
        yield found


@pytest.fixture(scope="module")
def benches():
    """Return what gives the court of a driver, made when it is first asked for."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        made: dict[str, Bench] = {}

        def bench_on(driver: str) -> Bench:
            if driver not in made:
                made[driver] = stack.enter_context(bench_of(driver))
            return made[driver]

        yield bench_on


class Differs(AssertionError):
    """The fault is there."""


def test_sqlalchemy_is_equal_to_itself(bench):
    tally = judge(bench, EXAMPLES // 5, SEED, is_self_check=True)
    assert tally.tried
    assert not tally.findings, list(tally.findings.values())


def test_rows_are_written_as_sqlalchemy_writes_them(bench):
    tally = judge(bench, EXAMPLES, SEED)
    assert tally.tried > EXAMPLES * 0.6
    assert not tally.unexplained, f"{report(bench, tally, limit=5)}\n{summary(tally)}"
    if EXAMPLES >= 200:
        wide = {known.name for known in KNOWN if tally.known[known.name] > known.share * tally.tried}
        assert not wide, "these entries of known.py explain more than they should"


def test_documentation_has_the_rules_that_are_meant():
    page = Path(__file__).parents[2] / "docs" / "orm.md"
    assert table() in page.read_text()


@pytest.mark.parametrize(
    "known",
    [pytest.param(known, id=known.name, marks=pytest.mark.xfail(raises=Differs, strict=True)) for known in KNOWN],
)
def test_known_fault_is_still_there(known: Known, benches):
    """Strict: whoever mends the fault removes its entry from ``known.py``."""
    found = benches(known.example.driver).differences(known.example)
    if any(explained(known.example, difference) is known for difference in found or []):
        raise Differs(known.says)
