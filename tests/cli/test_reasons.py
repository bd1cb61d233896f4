"""How a command fails: one sentence on standard error, an object on standard output with ``--json``, no password."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from ports import refusing_port

SECRET = "S3cr3tPw"

MODELS = """
import os
import aldis
from aldis.signals import post_migrate, pre_migrate
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(aldis.Model, DeclarativeBase):
    database = aldis.Database(os.environ["DATABASE_URL"])


class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)


@post_migrate.connect
async def migrated(sender):
    # more
    pass
"""

OWN_ENV = """
import asyncio
import os
from alembic import context
from sqlalchemy.ext.asyncio import create_async_engine
import shop


def run(connection):
    context.configure(connection=connection, target_metadata=shop.Base.metadata)
    with context.begin_transaction():
        context.run_migrations()


async def run_async():
    engine = create_async_engine(os.environ["OWN_URL"])
    async with engine.connect() as connection:
        await connection.run_sync(run)


asyncio.run(run_async())
"""


@pytest.fixture
def shop(tmp_path) -> Path:
    """Return the folder of a project on SQLite."""
    (tmp_path / "shop.py").write_text(MODELS)
    run(tmp_path, "init", "migrations", "--app", "shop:Base", code=0)
    return tmp_path


def run(
    folder: Path, *arguments: str, code: int = 255, url: str | None = None, program: str = "aldis", **variables: str
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", program, *arguments],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]),
            "DATABASE_URL": f"sqlite+aiosqlite:///{folder}/app.db" if url is None else url,
            **variables,
        },
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == code, done.stderr
    assert SECRET not in done.stdout + done.stderr
    return done


def failure(folder: Path, *arguments: str, **options: str) -> str:
    """Return the sentence of a command that fails, which is one line of standard error, and an object with --json."""
    done = run(folder, *arguments, **options)
    (line,) = done.stderr.splitlines()
    assert line.startswith("FAILED: ")
    sentence = line.removeprefix("FAILED: ")
    written = [json.loads(each) for each in done.stdout.splitlines()]
    assert written == ([{"error": sentence}] if "--json" in arguments else [])
    return sentence


@pytest.mark.parametrize("command", [("upgrade", "head"), ("downgrade", "base"), ("check",), ("migrate", "-m", "x")])
def test_database_that_cannot_be_reached_is_an_object_with_json(shop, command) -> None:
    pytest.importorskip("asyncpg")
    with refusing_port() as port:
        said = failure(shop, *command, "--json", url=f"postgresql+asyncpg://u:{SECRET}@127.0.0.1:{port}/db")
    assert said.startswith("the database cannot be reached: ConnectionRefusedError: ")


def test_error_of_a_receiver_keeps_its_traceback_and_is_an_object_with_json(shop) -> None:
    text = (shop / "shop.py").read_text()
    with refusing_port() as port:
        (shop / "shop.py").write_text(
            text.replace("# more", f"import asyncio\n    await asyncio.open_connection('127.0.0.1', {port})")
        )
        done = run(shop, "upgrade", "--json", code=1)
    assert "Traceback" in done.stderr
    assert "aldis: at the receiver shop.migrated" in done.stderr
    assert "cannot be reached" not in done.stderr, "it is no connection to the database"
    assert json.loads(done.stdout.splitlines()[-1])["error"].startswith("ConnectionRefusedError: ")
    (shop / "shop.py").write_text(text.replace("# more", f"raise ValueError('at nats://u:{SECRET[::-1]}@h\\nmore')"))
    done = run(shop, "upgrade", "--json", code=1)
    assert json.loads(done.stdout.splitlines()[-1]) == {"error": "ValueError: at nats://u:***@h"}


@pytest.mark.parametrize("json_flag", [[], ["--json"]])
def test_parameter_of_another_client_ends_with_a_sentence(shop, json_flag) -> None:
    pytest.importorskip("asyncpg")
    url = f"postgresql+asyncpg://u:{SECRET}@127.0.0.1:1/db?sslmode=require"
    expected = (
        "postgresql+asyncpg://u:***@127.0.0.1:1/db?sslmode=require is not a database that aldis can use: "
        "asyncpg takes no 'sslmode'. Write ?ssl=require in the place of ?sslmode=require."
    )
    assert failure(shop, "upgrade", "head", *json_flag, url=url) == expected
    assert failure(shop, "check", *json_flag, url=url) == expected
    set_url(shop, url)
    assert failure(shop, "upgrade", "head", *json_flag) == expected, "sqlalchemy.url of alembic.ini"
    (shop / "migrations/env.py").write_text(OWN_ENV)
    assert failure(shop, "upgrade", "head", *json_flag, OWN_URL=url) == (
        "the database cannot be reached: TypeError: connect() got an unexpected keyword argument 'sslmode'. "
        "Write ?ssl=require in the place of ?sslmode=require."
    )


def test_parameter_that_nobody_knows_ends_with_a_sentence(shop) -> None:
    pytest.importorskip("asyncpg")
    assert failure(shop, "upgrade", "head", "--json", url="postgresql+asyncpg://127.0.0.1:1/db?foo=1") == (
        "the database cannot be reached: TypeError: connect() got an unexpected keyword argument 'foo'"
    )


def test_refusal_of_the_driver_itself_ends_with_a_sentence(shop) -> None:
    """SQLAlchemy 2.0 lets asyncpg's own errors out of a connect: a wrong password, no such database."""
    pytest.importorskip("asyncpg")
    url = f"postgresql+asyncpg://u:{SECRET}@127.0.0.1:1/db?ssl=maybe"
    assert "`sslmode` parameter must be one of: " in failure(shop, "upgrade", "head", url=url)


def set_url(folder: Path, url: str, section: str = "alembic") -> None:
    """Write ``sqlalchemy.url`` into the first section of ``alembic.ini``, as somebody types it."""
    ini = folder / "alembic.ini"
    head, _, rest = ini.read_text().partition(f"[{section}]\n")
    ini.write_text(f"{head}[{section}]\nsqlalchemy.url = {url}\n{rest}")


PERCENT = (
    "sqlalchemy.url in [alembic] of alembic.ini has a % that is no part of a name such as %(here)s: write %% for a % "
    "of the value, as in a password. It is not shown: it may hold a password."
)


def test_percent_sign_in_alembic_ini_is_told_by_each_command(shop) -> None:
    set_url(shop, f"postgresql+asyncpg://bob:p%40{SECRET}@127.0.0.1:1/db")
    for command in (("upgrade", "head"), ("check", "--json"), ("migrate", "-m", "x"), ("current",), ("stamp", "head")):
        assert failure(shop, *command) == PERCENT
    assert PERCENT in run(shop, "--raiseerr", "upgrade", "head", code=1).stderr
    assert PERCENT in run(shop, "upgrade", "head", program="alembic").stderr


@pytest.mark.parametrize("password", [f"%(x){SECRET}", f"%({SECRET})s", f"%(sqlalchemy.url)s{SECRET}"])
def test_percent_sign_of_each_kind_is_told_without_the_value(shop, password) -> None:
    set_url(shop, f"postgresql+asyncpg://bob:p{password}@127.0.0.1:1/db")
    assert failure(shop, "current") == PERCENT


def test_percent_sign_is_told_of_in_the_environments_of_others_and_from_python(shop) -> None:
    set_url(shop, f"postgresql+asyncpg://bob:p%40{SECRET}@127.0.0.1:1/db")
    (shop / "migrations/env.py").write_text("from alembic import context\ncontext.config.get_section('alembic')\n")
    assert "write %% for a %" in failure(shop, "upgrade", "head")
    (shop / "deploy.py").write_text(
        "from alembic.config import Config\nfrom aldis import migrations\n\n"
        "migrations.upgrade(Config('alembic.ini'), 'head')\n"
    )
    assert "write %% for a %" in run(shop, program="deploy", code=1).stderr
    (shop / "migrations/env.py").write_text(
        "import os\nfrom alembic import context\n\n"
        "context.config.set_main_option('sqlalchemy.url', os.environ['OWN_URL'])\n"
    )
    said = failure(shop, "upgrade", "head", OWN_URL=f"postgresql+asyncpg://bob:p%40{SECRET}@127.0.0.1:1/db")
    assert "write %% for it, as in config.set_main_option('sqlalchemy.url', url.replace('%', '%%'))" in said


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"[alembic]\nscript_location = migrations\n{SECRET}\n", "line 3 is no [section], no option = value"),
        (f"sqlalchemy.url = {SECRET}\n", "line 1 is no [section], no option = value"),
        (f"[alembic]\na = {SECRET}\na = {SECRET}\n", "line 3 sets a in [alembic] a second time."),
        ("[alembic]\na = \udcff\n", "it is no UTF-8, at byte 14."),
        ("[alembic]\n[alembic]\n", "line 2 begins [alembic] a second time."),
    ],
)
def test_file_that_cannot_be_read_is_told_without_its_lines(shop, text, told) -> None:
    (shop / "alembic.ini").write_text(text, errors="surrogateescape")
    for command in (("upgrade", "head", "--json"), ("heads",)):
        assert failure(shop, *command).startswith(f"alembic.ini cannot be read: {told}")
    run(shop, "--raiseerr", "signals", code=1)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"[tool.aldis", "pyproject.toml cannot be read: Expected ']' at the end of a table declaration"),
        (b"\xff\xfe", "pyproject.toml cannot be read: 'utf-8' codec can't decode byte 0xff in position 0"),
        (b"tool = 3", "pyproject.toml: tool is 3; it is a table, [tool.aldis]."),
        (b"[tool]\naldis = 3", "pyproject.toml: aldis is 3; it is a table, [tool.aldis]."),
        (None, "pyproject.toml cannot be read: [Errno 21] Is a directory"),
    ],
)
def test_pyproject_that_cannot_be_read_is_told(shop, content, told) -> None:
    file = shop / "pyproject.toml"
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    assert told in failure(shop, "upgrade", "head", "--json")
    (shop / "alembic.ini").unlink()
    assert told in failure(shop, "signals", "--app", "shop:Base")


def test_error_in_a_file_of_the_programs_own_keeps_its_traceback(shop) -> None:
    text = textwrap.indent("import configparser\nconfigparser.ConfigParser().read_string('a')", "    ")
    (shop / "shop.py").write_text((shop / "shop.py").read_text().replace("    # more", text))
    assert "configparser.MissingSectionHeaderError" in run(shop, "upgrade", "head", code=1).stderr


@pytest.mark.parametrize(
    ("app", "told"),
    [
        ("shop:Bas", "there is no 'Bas' in shop. Did you mean 'Base'?"),
        ("shop:base", "there is no 'base' in shop. Did you mean 'Base'?"),
        ("shop:Usr", "there is no 'Usr' in shop. Did you mean 'User'?"),
        ("shop:Nothing", "there is no 'Nothing' in shop."),
        ("shop:migrated", "'migrated' in shop is <function migrated at "),
        (".shop:Base", "give package.module:Base, the module and the declarative base in it."),
        ("package.model:Base", "there is no module 'package.model'. Did you mean 'models'? It is looked for where "),
    ],
)
def test_misspelt_base_is_answered_by_the_nearest(shop, app, told) -> None:
    (shop / "package").mkdir()
    (shop / "package/__init__.py").touch()
    (shop / "package/models.py").touch()
    assert f"app '{app}': {told}" in failure(shop, "signals", "--app", app, "--json")
