"""aldis does with rows as SQLAlchemy does: the judge's short run.

``ALDIS_JUDGE_EXAMPLES`` is the number of examples on each driver, and ``ALDIS_JUDGE_SEED`` another set of them. ``make
judge`` is the long run.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from judge.columns import DRIVERS
from judge.examples import Drawing
from judge.meant import table
from judge.pairs import stock
from judge.report import report, summary
from judge.running import ENOUGH, Tally, Thin, bench_of, judge

EXAMPLES = int(os.environ.get("ALDIS_JUDGE_EXAMPLES", "200"))
SEED = int(os.environ.get("ALDIS_JUDGE_SEED", "1"))

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning", "ignore::RuntimeWarning")


@pytest.fixture(scope="module", params=DRIVERS)
def bench(request):
    """Return the court of a driver."""
    with bench_of(request.param) as found:
        yield found


def test_sqlalchemy_is_equal_to_itself(bench):
    tally = judge(bench, EXAMPLES // 5, SEED, is_self_check=True)
    assert tally.tried
    assert not tally.findings, list(tally.findings.values())


def test_rows_are_written_as_sqlalchemy_writes_them(bench):
    tally = judge(bench, EXAMPLES, SEED)
    assert tally.tried > EXAMPLES * 0.6
    assert not tally.findings, f"{report(bench, tally, limit=5)}\n{summary(tally)}"


@pytest.mark.parametrize("driver", DRIVERS)
def test_each_pair_of_a_call_and_a_kind_is_drawn_often_enough(driver):
    tally = Tally(driver)
    drawing = Drawing(driver, stock(driver), SEED)
    thin = Thin(drawing.calls, tally)
    while (example := thin.draw(drawing)) is not None:
        tally.add(example, [])
    assert min(tally.covered.values()) >= ENOUGH
    assert tally.tried < len(tally.covered) * ENOUGH / 2  # most examples serve several pairs


def test_documentation_has_the_rules_that_are_meant():
    page = Path(__file__).parents[2] / "docs" / "orm.md"
    assert table() in page.read_text()
