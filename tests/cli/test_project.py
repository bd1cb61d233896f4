"""The command line in a project: it finds the app and its receivers, and says which modules it imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MODELS = """
import aldis
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(aldis.Model, DeclarativeBase):
    database = aldis.Database("sqlite+aiosqlite:///app.db")


class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)


class Plain: ...
"""

RECEIVERS = """
from aldis.signals import post_migrate, post_save, pre_save
from shop.models import Plain, User


@post_save.connect_via(User, priority=2, after_commit=True)
async def welcome(sender, instance): ...


@pre_save.connect_via(Plain)
def of_plain(sender, instance): ...


@post_migrate.connect
def migrated(sender):
    print("migrated", sender)
"""


@pytest.fixture
def shop(tmp_path) -> Path:
    """Make a project in the documented layout: models.py, and receivers.py beside it."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/__init__.py").touch()
    (tmp_path / "shop/models.py").write_text(MODELS)
    (tmp_path / "shop/receivers.py").write_text(RECEIVERS)
    return tmp_path


def aldis_in(folder: Path, *arguments: str, code: int = 0, program: str = "aldis") -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", program, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == code, done.stderr
    return done


def test_receivers_beside_the_models_are_found_and_the_modules_named(shop) -> None:
    shown = aldis_in(shop, "signals", "--app", "shop.models:Base").stdout
    assert shown.splitlines()[:3] == [
        "Imported",
        "  shop.models     --app               no receivers",
        "  shop.receivers  beside shop.models  3 receivers",
    ]
    assert (
        "\npost_save\n  User  shop.receivers.welcome  shop/receivers.py:6  async  strong  after commit, priority 2\n"
        in shown
    )
    assert "of_plain  shop/receivers.py:10  sync  strong  NOT MAPPED: no session fires for this class\n" in shown
    assert "\nWithout receivers: pre_update, " in shown


def test_pyproject_names_app_receivers_and_plugins(shop) -> None:
    (shop / "pyproject.toml").write_text(
        '[tool.aldis]\napp = "shop.models:Base"\nreceivers = ["listeners"]\nplugins = ["audit"]\n'
    )
    connects = "from aldis.signals import post_delete\n\n\n@post_delete.connect\ndef r(sender): ...\n"
    for module in ("listeners", "audit_receivers", "unwanted_receivers"):
        (shop / f"{module}.py").write_text(connects)
    for name in ("audit", "unwanted"):
        (shop / f"{name}-1.dist-info").mkdir()
        (shop / f"{name}-1.dist-info/METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (shop / f"{name}-1.dist-info/entry_points.txt").write_text(f"[aldis.receivers]\n{name} = {name}_receivers\n")
    lines = [json.loads(line) for line in aldis_in(shop, "signals", "--json").stdout.splitlines()]
    assert [line for line in lines if "imported" in line] == [
        {"imported": "shop.models", "reason": "app in [tool.aldis]", "receivers": 0},
        {"imported": "listeners", "reason": "receivers in [tool.aldis]", "receivers": 1},
        {"imported": "audit_receivers", "reason": "plugin 'audit'", "receivers": 1},
    ]
    assert {line["plugin"]: line["loaded"] for line in lines if "plugin" in line} == {"audit": True, "unwanted": False}
    shown = aldis_in(shop, "signals").stdout
    assert "Plugins that are not loaded (plugins in [tool.aldis] names those that are)\n  unwanted  unwanted_" in shown
    said = aldis_in(shop, "signals", "--receivers", "shop.recievers", code=255).stderr
    assert said == (
        "FAILED: --receivers shop.recievers: there is no module 'shop.recievers'. Did you mean 'receivers'?\n"
    )


@pytest.mark.parametrize("program", ["aldis", "alembic"])
def test_app_in_pyproject_serves_migrations_and_their_receivers(shop, program) -> None:
    (shop / "pyproject.toml").write_text('[tool.aldis]\napp = "shop.models:Base"\n')
    aldis_in(shop, "init", "migrations")
    aldis_in(shop, "revision", "--autogenerate", "-m", "first", program=program)
    assert "create_table" in next((shop / "migrations/versions").glob("*.py")).read_text()
    assert "migrated upgrade\n" in aldis_in(shop, "upgrade", "head", program=program).stdout


def test_app_on_the_command_line_serves_alembics_own_commands(shop) -> None:
    aldis_in(shop, "init", "migrations")
    aldis_in(shop, "migrate", "--app", "shop.models:Base", "-m", "first", "--rev-id", "a1")
    aldis_in(shop, "upgrade", "--app", "shop.models:Base")
    assert "a1 (head)" in aldis_in(shop, "current", "--app", "shop.models:Base").stdout


def test_command_that_fires_for_nobody_says_so(shop) -> None:
    (shop / "shop/receivers.py").rename(shop / "shop/listeners.py")
    aldis_in(shop, "init", "migrations", "--app", "shop.models:Base")
    said = "No receiver is connected (imported: shop.models). Name the modules that connect receivers: --receivers "
    assert said in aldis_in(shop, "migrate", "-m", "first").stderr
    assert said in aldis_in(shop, "upgrade").stderr
    assert "No receiver" not in aldis_in(shop, "-q", "downgrade", "base").stderr
    done = aldis_in(shop, "upgrade", "--receivers", "shop.listeners")
    assert "No receiver" not in done.stderr
    assert "migrated upgrade\n" in done.stdout


def test_relay_without_a_receiver_is_refused(shop) -> None:
    said = aldis_in(shop, "relay", "run", "--app", "shop.models:Base", code=255).stderr
    assert said.startswith("FAILED: there is no receiver to pass events on to: ")
    assert len(said.splitlines()) == 1
