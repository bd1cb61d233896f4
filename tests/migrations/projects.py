"""Databases of a test's own, with the URLs of sync and async drivers; and Alembic, run in processes of its own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any, Self

import pytest
from alembic.config import Config
from sqlalchemy import create_engine, inspect, make_url, text
from sqlalchemy.exc import DBAPIError

import aldis

HERE = Path(__file__).parent
SERVERS = {
    "postgresql": (
        "ALDIS_TEST_POSTGRESQL_URL",
        "postgresql://postgres@127.0.0.1:5432/test",
        "postgresql+psycopg",
        "postgresql+asyncpg",
    ),
    "mariadb": (
        "ALDIS_TEST_MARIADB_URL",
        "mariadb://root@127.0.0.1:3306/test",
        "mariadb+pymysql",
        "mariadb+asyncmy",
    ),
}
"""The variable with a server's URL, its default, and the drivers to reach it with: plain, and async."""

WITHOUT_TLS = {"ssl_disabled": "true"}
"""Of PyMySQL: else each connection reads all certificates of the system first, which takes longer than the test."""


class Databases:
    """Makes databases of one kind, and drops them."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.made: list[str] = []
        if name != "sqlite":
            variable, default, self.plain, self.async_ = SERVERS[name]
            self.server = make_url(os.environ.get(variable, default)).set(drivername=self.plain)
            if name == "mariadb":
                self.server = self.server.update_query_dict(WITHOUT_TLS)
            try:
                self.run("SELECT 1")
            except (OSError, DBAPIError) as error:
                if os.environ.get("CI") == "true":
                    raise
                pytest.skip(f"no answer from {self.server.render_as_string()} ({variable}): {error}")

    def run(self, statement: str) -> None:
        engine = create_engine(self.server, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()

    def make(self) -> tuple[str, str]:
        """Return the URLs of a new database: with a plain driver, and with an async one."""
        name = f"aldis_{uuid.uuid4().hex}"
        if self.name == "sqlite":
            path = self.folder / f"{name}.db"
            return f"sqlite:///{path}", f"sqlite+aiosqlite:///{path}"
        self.run(f"CREATE DATABASE {name}")
        self.made.append(name)
        url = self.server.set(database=name)
        of_async = url.set(drivername=self.async_).difference_update_query(WITHOUT_TLS)
        return url.render_as_string(False), of_async.render_as_string(False)

    def drop(self) -> None:
        for name in self.made:
            self.run(f"DROP DATABASE {name}{' WITH (FORCE)' if self.name == 'postgresql' else ''}")


def environment() -> dict[str, str]:
    pure = "1" if aldis.backend == "pure" else "0"
    return {**os.environ, "ALDIS_PURE_PYTHON": pure, "COLUMNS": "120", "PYTHONDONTWRITEBYTECODE": "1"}


class Driver:
    """Runs command lines in a process of its own; see ``driver.py``."""

    def __init__(self, cwd: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(HERE / "driver.py")],
            env=environment(),
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.process.communicate(timeout=60)

    def step(self, *step: str) -> Any:
        """Take a step; return its outcome."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(step) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"the driver has died at {step}"
        return json.loads(answer)

    def run(self, folder: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command line in a folder, with the modules there imported anew."""
        self.step("cd", str(folder))
        told = self.step(program, *arguments)
        return subprocess.CompletedProcess((program, *arguments), told["code"], told["out"], told["err"])


def run(cwd: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m`` something in a folder."""
    return subprocess.run(
        [sys.executable, "-m", *command],
        env=environment(),
        cwd=cwd,
        capture_output=True,
        check=False,
        text=True,
        encoding="utf-8",
        timeout=600,
    )


SYNC_ENV = """
from alembic import context
from sqlalchemy import create_engine, pool

import aldis.migrations

aldis.migrations.configure(context)
given = context.config.attributes.get("connection")


def run(connection):
    context.configure(
        connection=connection,
        target_metadata=context.config.attributes.get("metadata"),
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    context.configure(
        url=context.config.get_main_option("sqlalchemy.url"),
        target_metadata=context.config.attributes.get("metadata"),
        literal_binds=True,
    )
    with context.begin_transaction():
        context.run_migrations()
elif given is not None:
    run(given)
else:
    engine = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=pool.NullPool)
    context.config.attributes.get("listen", lambda engine: None)(engine)
    with engine.connect() as connection:
        run(connection)
"""

ASYNC_ENV = """
import asyncio

from alembic import context
from sqlalchemy import pool
from sqlalchemy.ext.asyncio import create_async_engine

import aldis.migrations

aldis.migrations.configure(context)
given = context.config.attributes.get("connection")


def run(connection):
    context.configure(
        connection=connection,
        target_metadata=context.config.attributes.get("metadata"),
        render_as_batch=connection.dialect.name == "sqlite",
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_async():
    engine = create_async_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run)


if given is not None:
    run(given)
else:
    asyncio.run(run_async())
"""

REVISION = '''"""{message}"""

import sqlalchemy as sa
from alembic import op

revision = {revision!r}
down_revision = {down_revision!r}
branch_labels = depends_on = None


def upgrade():
    {up}


def downgrade():
    {down}
'''


def make_project(folder: Path, url: str, is_async: bool) -> Config:
    """Return the configuration of a project with two revisions, each of which makes a table."""
    (folder / "migrations/versions").mkdir(parents=True)
    (folder / "migrations/env.py").write_text(ASYNC_ENV if is_async else SYNC_ENV)
    (folder / "migrations/script.py.mako").write_text(
        '"""${message}"""\n\nimport sqlalchemy as sa\nfrom alembic import op\n${imports or ""}\n'
        "revision = ${repr(up_revision)}\ndown_revision = ${repr(down_revision)}\nbranch_labels = depends_on = None\n"
        "\n\ndef upgrade():\n    ${upgrades or 'pass'}\n\n\ndef downgrade():\n    ${downgrades or 'pass'}\n"
    )
    add_revision(folder, "a1", None, "op.create_table('one', sa.Column('id', sa.Integer))", "op.drop_table('one')")
    add_revision(folder, "b2", "a1", "op.create_table('two', sa.Column('id', sa.Integer))", "op.drop_table('two')")
    config = Config(stdout=io.StringIO(), output_buffer=io.StringIO())
    config.set_main_option("script_location", str(folder / "migrations"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def add_revision(folder: Path, revision: str, down_revision: str | None, up: str, down: str = "pass") -> None:
    """Write a revision."""
    text = REVISION.format(message=revision, revision=revision, down_revision=down_revision, up=up, down=down)
    (folder / f"migrations/versions/{revision}_.py").write_text(text)


def query(url: str, *statements: str) -> list[tuple] | None:
    """Run statements in one transaction, by a plain driver; return the rows of the last."""
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            for statement in statements[:-1]:
                connection.execute(text(statement))
            result = connection.execute(text(statements[-1]))
            return [tuple(row) for row in result] if result.returns_rows else None
    finally:
        engine.dispose()


def nullable(url: str, table: str) -> dict[str, bool]:
    """Return the columns of a table, and whether each may be NULL."""
    engine = create_engine(url)
    with engine.connect() as connection:
        found = {each["name"]: each["nullable"] for each in inspect(connection).get_columns(table)}
    engine.dispose()
    return found


def tables_in(url: str) -> set[str]:
    """Return the names of the tables in a database, by a plain driver."""
    engine = create_engine(url)
    with engine.connect() as connection:
        found = set(inspect(connection).get_table_names())
    engine.dispose()
    return found
