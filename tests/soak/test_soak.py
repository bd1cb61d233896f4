"""A short soak: random programs of transactions, tasks and cancellations; ``make soak SEEDS=10000`` runs more."""

from __future__ import annotations

import logging

import pytest
from programs import Call, Frame, Program, models_of, violations
from seeded_loop import SeededLoop

from soak import Run

pytestmark = pytest.mark.usefixtures("short_collections")

FIRST = 1000


@pytest.fixture
def url(tmp_path):
    """Return the URL of a database of the test's own."""
    logging.getLogger("aldis").setLevel(logging.CRITICAL)
    yield f"sqlite+aiosqlite:///{tmp_path}/soak.db"
    logging.getLogger("aldis").setLevel(logging.NOTSET)


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_programs_end_with_rows_instances_and_receivers_that_agree(url) -> None:
    wrong = {seed: run.wrong for seed in range(FIRST, FIRST + 40) if (run := Run(seed, url).run()).wrong}
    assert wrong == {}


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_seed_replays(url) -> None:
    for seed in range(FIRST, FIRST + 10):
        assert Run(seed, url).run().history == Run(seed, url).run().history


@pytest.mark.parametrize(("outcome", "is_around"), [("unknown", False), ("unknown", True), ("cancelled", False)])
async def test_rows_of_an_unknown_commit_need_not_be_told_but_loaded(url, outcome, is_around) -> None:
    """It is excused only where aldis has said that nobody knows, and only if ``load()`` finds out."""
    models = models_of(url)
    loop = SeededLoop(0)
    loop.close()
    async with models.database as database, database.engine.begin() as connection:
        await connection.run_sync(models.Base.metadata.create_all)
        program = Program(0, models, loop)
        label = program.label(4)
        row = models.Row(label=label)
        around = [Frame(None, outcome)] if is_around else []
        program.calls.append(Call([label], around, [row], "done" if is_around else outcome, frame=Frame(None)))
    untold, unloaded = f"told: {label} 0 times", f"instance: {label} has the key None"
    expected = [unloaded] if outcome == "unknown" else [untold, unloaded]
    found = violations(program, {label: ""})
    assert [line.partition(",")[0] for line in found] == expected
