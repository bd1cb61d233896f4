"""A short soak: random programs of transactions, tasks and cancellations; ``make soak SEEDS=10000`` runs more."""

from __future__ import annotations

import gc
import logging

import pytest

from soak import Run

FIRST = 1000


@pytest.fixture
def url(tmp_path):
    """Return the URL of a database of the test's own."""
    logging.getLogger("aldis").setLevel(logging.CRITICAL)
    yield f"sqlite+aiosqlite:///{tmp_path}/soak.db"
    logging.getLogger("aldis").setLevel(logging.NOTSET)


@pytest.fixture(autouse=True)
def frozen():
    """Let each run's own collection pass over the thousands of tests that are in memory."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_programs_end_with_rows_instances_and_receivers_that_agree(url) -> None:
    wrong = {seed: run.wrong for seed in range(FIRST, FIRST + 40) if (run := Run(seed, url).run()).wrong}
    assert wrong == {}


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_seed_replays(url) -> None:
    for seed in range(FIRST, FIRST + 10):
        assert Run(seed, url).run().history == Run(seed, url).run().history
