"""Passwords of URLs are shown nowhere: not in output, JSON, logs, errors, representations or traces."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import textwrap
import time
import traceback

import pytest

import aldis
from aldis.masking import masked_text, masked_url
from ports import refusing_port

SECRET = "S3CRET"


@pytest.mark.parametrize(
    "url",
    [
        f"nats://bob:{SECRET}@host:4222",
        f"nats://{SECRET}@host",
        f"nats://bob:{SECRET}@one,nats://bob:{SECRET}@two",
        f"amqp://bob:{SECRET}@[::1]:5672/%2f",
        f"redis://:{SECRET}@host/0",
        f"redis://host/0?password={SECRET}&db=1",
        f"postgresql+asyncpg://u:p@{SECRET}@host/db",
        f"postgresql+asyncpg://u:p/{SECRET}@host/db",
        f"postgresql+asyncpg://host/db?user=u&PASSWORD={SECRET}",
        f"postgresql+asyncpg://u:{SECRET}",
        f"postgresql//u:{SECRET}@host",
        f"u:{SECRET}@host",
        f"nonsense {SECRET}",
        SECRET,
    ],
)
def test_url_is_shown_without_its_password(url) -> None:
    assert SECRET not in masked_url(url)


def test_rest_of_a_url_is_shown() -> None:
    for url in (
        "sqlite+aiosqlite://",
        "sqlite+aiosqlite:///app.db",
        "sqlite+aiosqlite:///C:/app.db",
        "nats://127.0.0.1:4222",
        "redis://[::1]:6379/0?db=1",
        "kafka://one:9092,two:9092",
    ):
        assert masked_url(url) == url
    assert masked_url("nats://bob:secret@h:4222/x?a=b") == "nats://bob:***@h:4222/x?a=b"
    assert masked_text("it is at nats://bob:secret@h, or not") == "it is at nats://bob:***@h, or not"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql+asyncpgg://postgres:{SECRET}@127.0.0.1/x",
        f"postgresql+psycopg2://postgres:{SECRET}@h/x",
        f"postgresql+asyncpg://postgres:{SECRET}",
        f"sqlite+aiosqlite://u:{SECRET}@/x?password={SECRET}",
        f"postgresql+asyncpgg://h/x?password={SECRET}",
        f"nonsense {SECRET}",
    ],
)
def test_database_that_cannot_be_used_is_named_without_its_password(url) -> None:
    with pytest.raises(aldis.ConfigurationError, match="is not a database that aldis can use: ") as raised:
        aldis.Database(url)
    assert SECRET not in "".join(traceback.format_exception(raised.value))


def test_representation_of_a_database_has_no_password() -> None:
    database = aldis.Database(f"postgresql+asyncpg://u:{SECRET}@h/x?password={SECRET}")
    assert repr(database) == "<Database postgresql+asyncpg://u:***@h/x?password=***>"


MODELS = """
import aldis
from aldis import relay
from aldis.signals import post_save
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

class Base(aldis.Model, DeclarativeBase):
    database = aldis.Database("{url}")

class Item(Base):
    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)

relay.forward(post_save, Item)

@relay.receiver(post_save, "Item", name="x")
async def x(sender): ...
"""


CREATE_TABLES = """
import asyncio, near
from aldis import relay

async def create_tables():
    async with near.Base.database as database:
        await relay.create_tables(database)

asyncio.run(create_tables())
"""


def aldis_in(folder, *arguments: str) -> str:
    """Return all that a command writes, its log at the lowest level included."""
    program = (
        "import logging, sys; logging.basicConfig(level=1); from aldis.cli import main; sys.argv[0] = 'aldis'; main()"
    )
    found = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert found.returncode != 0
    return found.stdout + found.stderr


@pytest.fixture
def project(tmp_path):
    """Return a folder with models whose database is there, and one whose database is not."""
    sqlite = f"sqlite+aiosqlite:///{tmp_path}/app.db?password={SECRET}"
    with refusing_port() as port:
        away = f"postgresql+asyncpg://postgres:{SECRET}@127.0.0.1:{port}/x"
        for name, url in (("near", sqlite), ("far", away)):
            (tmp_path / f"{name}.py").write_text(MODELS.format(url=url))
        subprocess.run([sys.executable, "-c", CREATE_TABLES], cwd=tmp_path, check=True, timeout=300)
        yield tmp_path


@pytest.mark.parametrize(
    ("action", "broker", "json"),
    [
        ("run", "nats://bob:{}@127.0.0.1:{}", []),
        ("run", "nats://bob:{}@127.0.0.1:{}", ["--json"]),
        ("run", "nats//bob:{}@127.0.0.1:{}", []),
        ("receive", "nats://bob:{}@127.0.0.1:{}", []),
        ("receive", "foo://bob:{}@127.0.0.1:{}", ["--json"]),
        ("receive", "{} {}", []),
    ],
)
def test_command_line_shows_no_password_of_a_broker(project, action, broker, json) -> None:
    pytest.importorskip("faststream")
    with refusing_port() as port:
        url = broker.format(SECRET, port)
        written = aldis_in(project, "relay", action, "--app", "near:Base", "--broker", url, *json)
    assert SECRET not in written
    assert "broker" in written


def test_command_line_shows_no_password_of_a_database(project) -> None:
    written = aldis_in(project, "relay", "status", "--app", "far:Base")
    assert "the database does not serve us" in written
    assert SECRET not in written
    (project / "alembic.ini").write_text(
        textwrap.dedent(f"""
        [alembic]
        script_location = {project}
        app = near:Base
        sqlalchemy.url = nonsense {SECRET}
        """)
    )
    (project / "versions").mkdir()
    (project / "env.py").write_text(
        "from alembic import context\nfrom aldis.migrations import apps\n[app] = apps(context.config)\napp.url\n"
    )
    written = aldis_in(project, "upgrade", "head")
    assert "sqlalchemy.url in [alembic] is " in written
    assert SECRET not in written


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("ALDIS_TEST_NATS_URL", "nats://127.0.0.1:4222"),
        ("ALDIS_TEST_RABBITMQ_URL", "amqp://127.0.0.1:5672"),
        ("ALDIS_TEST_REDIS_URL", "redis://127.0.0.1:6379"),
    ],
)
async def test_broker_that_refuses_a_password_is_logged_and_traced_without_it(
    tmp_path, caplog, variable, url, monkeypatch
) -> None:
    relay = pytest.importorskip("aldis.relay")
    from sqlalchemy import make_url

    found = make_url(os.environ.get(variable, url))
    try:
        socket.create_connection((found.host, found.port), 1).close()
    except OSError:
        pytest.skip(f"no answer from {variable}")
    monkeypatch.setattr("aldis.relay.brokers.transport.CONNECT_SECONDS", 2)
    broker = found.set(username="nobody", password=SECRET).render_as_string(hide_password=False)
    caplog.set_level(1)
    async with aldis.Database(f"sqlite+aiosqlite:///{tmp_path}/x.db") as database:
        await relay.create_tables(database)
        try:
            await relay.Relay(database, broker).pass_all()
        except aldis.ConfigurationError as error:
            refusal = str(error)
        else:
            refusal = ""  # the NATS here asks for no password
        assert SECRET not in refusal
        for name in list(relay.RECEIVERS):
            monkeypatch.delitem(relay.RECEIVERS, name)

        @relay.receiver(aldis.signals.post_save, "PasswordTest", name="password_test")
        async def receive(sender): ...

        from faststream.specification.asyncapi import AsyncAPI

        application = relay.app(broker)
        assert SECRET not in AsyncAPI(application.broker).to_specification().to_json()
        relay.RECEIVERS.clear()
    assert SECRET not in caplog.text
    assert SECRET not in repr(database)
    assert logging.getLogger("aldis.relay").isEnabledFor(logging.DEBUG)


def test_long_texts_are_masked_in_no_time() -> None:
    begun = time.process_time()
    for text in (
        "x" * 200_000,
        "x." * 100_000,
        "a://b " * 40_000,
        "?" * 200_000,
        "&a" * 100_000,
        "?" + "pass" * 50_000,
    ):
        assert masked_text(text) == text
    assert time.process_time() - begun < 5
