"""NOT NULL columns added to tables that have rows: filled through the models, whatever happens meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
import sqlalchemy as sa
from projects import environment, nullable, query, run

import aldis

ROWS = {"sqlite": 200_000, "postgresql": 200_000, "mariadb": 50_000} if aldis.backend == "compiled" else {}
"""The rows of the table; 20,000 elsewhere. asyncmy asks the server for each; the pure core takes the same road."""

MODELS = """
import json
import resource
import time
from pathlib import Path

import aldis
from aldis.signals import post_update, pre_update
from sqlalchemy import MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(aldis.Model, DeclarativeBase):
    metadata = MetaData(naming_convention=aldis.migrations.NAMING_CONVENTION)
    database = aldis.Database({url!r})
    type_annotation_map = {{str: String(100)}}


class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    fills: Mapped[int] = mapped_column(default=0)
    # email


seen = {{"pre": 0, "post": 0}}


@pre_update.connect_via(User)
def before(sender, instance, model_instance, values, column_values, is_update, is_migration):
    assert instance is model_instance and is_update and is_migration
    assert values == {{"email": f"{{instance.name}}@example.org"}} and values == column_values
    assert aldis.context.CURRENT_INSTANCE.get() is instance
    assert aldis.context.CURRENT_MODEL_INSTANCE.get() is instance
    assert aldis.context.EXPLICIT_SPECIFIED_VALUES.get() == {{"email"}}
    column_values["fills"] = instance.fills + 1
    seen["pre"] += 1


@post_update.connect_via(User)
async def after(sender, instance, column_values, is_migration, row_count, operation_skipped):
    assert (row_count, operation_skipped, is_migration) == (1, False, True)
    assert instance.email == column_values["email"] and instance.fills == 1
    seen["post"] += 1
    while seen["post"] >= {late} * 8 and Path("kill me").exists():
        time.sleep(0.01)
    if seen["post"] % 1000 == 0:
        seen["kib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        seen.setdefault("kib at first", seen["kib"] if seen["post"] >= {late} else None)
        seen["kib at first"] = seen["kib at first"] or (seen["kib"] if seen["post"] >= {late} else None)
        Path("seen.json").write_text(json.dumps(seen))
"""

EMAIL = (
    "    email: Mapped[str] = mapped_column(\n"
    "        default=lambda context: context.get_current_parameters()['name'] + '@example.org'\n"
    "    )"
)


def make_shop(folder, url: str, late: int) -> None:
    """Make a project whose database has the tables of its models."""
    (folder / "models.py").write_text(MODELS.format(url=url, late=late))
    for command in (("init", "migrations", "--app", "models:Base"), ("migrate", "-m", "first"), ("upgrade", "head")):
        done = run(folder, "aldis", *command)
        assert done.returncode == 0, done.stderr


def edit(folder, old: str, new: str) -> None:
    path = folder / "models.py"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def quoted(url: str, name: str) -> str:
    return f"`{name}`" if url.startswith("mariadb") else f'"{name}"'


@pytest.mark.skipif(sys.platform == "win32", reason="kills a process as Unix does")
def test_killed_in_the_middle_and_run_again_every_row_is_filled_once(databases, tmp_path) -> None:
    plain, url = databases.make()
    count = ROWS.get(databases.name, 20_000)
    make_shop(tmp_path, url, late=count // 10)
    user = quoted(plain, "user")
    engine = sa.create_engine(plain)
    with engine.begin() as connection:
        table = sa.table("user", sa.column("id"), sa.column("name"), sa.column("fills"))
        for first in range(1, count + 1, 10_000):
            rows = [{"id": 3 * number, "name": f"u{number}", "fills": 0} for number in range(first, first + 10_000)]
            connection.execute(sa.insert(table), rows)
    engine.dispose()
    edit(tmp_path, "    # email", EMAIL)
    done = run(tmp_path, "aldis", "migrate", "-m", "mail", "--null-field", "User.email")
    assert done.returncode == 0, done.stderr

    (tmp_path / "kill me").touch()
    with (tmp_path / "stderr").open("w") as stderr:
        upgrading = subprocess.Popen(
            [sys.executable, "-m", "aldis", "upgrade", "head", "--json"],
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    assert upgrading.stdout is not None
    for line in upgrading.stdout:
        if json.loads(line).get("rows", 0) >= count // 2:
            os.kill(upgrading.pid, signal.SIGKILL)
            break
    upgrading.stdout.close()
    (tmp_path / "kill me").unlink()
    assert upgrading.wait() == -signal.SIGKILL, (tmp_path / "stderr").read_text()
    ((filled,),) = query(plain, f"SELECT count(*) FROM {user} WHERE email IS NOT NULL")
    assert count // 2 <= filled < count
    assert query(plain, f"SELECT count(*) FROM {user} WHERE (email IS NULL) != (fills = 0)") == [(0,)]

    done = run(tmp_path, "aldis", "upgrade", "head", "--json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["rows"] for line in lines if "rows" in line][-1] == count - filled
    assert lines[-1]["revisions"] == 1
    assert query(plain, f"SELECT count(*), min(fills), max(fills) FROM {user}") == [(count, 1, 1)]
    concat = "CONCAT(name, '@example.org')" if plain.startswith("mariadb") else "name || '@example.org'"
    assert query(plain, f"SELECT count(*) FROM {user} WHERE email = {concat}") == [(count,)]
    assert nullable(plain, "user") == {"id": False, "name": False, "fills": False, "email": False}
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert seen["pre"] == seen["post"] == count - filled
    assert seen["kib"] - seen["kib at first"] < 8 * 1024, "memory does not grow with the rows"
    assert run(tmp_path, "aldis", "check").returncode == 0
