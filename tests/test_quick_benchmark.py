"""``make bench-quick`` runs, and prints each figure beside its bound."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "quick.py"

if not SCRIPT.exists():
    pytest.skip("the benchmarks are not here: this tests a wheel", allow_module_level=True)


def quick(*arguments: str, **environment: str) -> list[str]:
    """Run it with one turn; return its lines."""
    command = [sys.executable, str(SCRIPT), "--turns", "1", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **environment})
    return done.stdout.splitlines()


def test_each_comparison_on_sqlite_has_a_figure() -> None:
    head, *lines = quick("--only", "SQLite:")
    assert head.split() == ["ours", "over", "theirs", "wall", "CPU", "asked,", "at", "most"]
    ratios = {line[:66].strip(): [float(ratio) for ratio in line[66:79].split()] for line in lines}
    assert {len(each) for each in ratios.values()} == {2}  # of wall time and of CPU time
    assert "SQLite: bulk_create of 1,000 over Core's sorted RETURNING" in ratios
    assert "SQLite: bulk_create([x]) over x.save()" in ratios
    bounds = {line[:66].strip(): line[79:].split() for line in lines}
    assert bounds["SQLite: bulk_create([x]) over x.save()"][0] == "1.25"
    assert bounds["SQLite: save() over the raw driver's INSERT"][1] in {"met", "MISSED"}


def test_server_that_does_not_answer_is_left_out_and_named() -> None:
    lines = quick("--only", "asyncpg:", ALDIS_TEST_POSTGRESQL_URL="postgresql://postgres@127.0.0.1:1/test")
    assert lines[1:] == ["asyncpg: left out, it does not answer (ConnectionRefusedError)"]
