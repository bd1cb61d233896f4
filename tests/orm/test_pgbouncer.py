"""Behind PgBouncer, in transaction mode, as SQLAlchemy's asyncpg page configures it: each transaction may have another
connection of the server's, so that nobody may count on a statement that was prepared there before."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import NullPool, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from users import models_on

from new_databases import database_on
from ports import free_port


def named(url):
    """Return an engine that names prepared statements itself."""
    return create_async_engine(
        url, poolclass=NullPool, connect_args={"prepared_statement_name_func": lambda: f"__ours_{uuid4()}__"}
    )


async def save_in_every_way(models) -> None:
    """Save, update and delete, alone and in blocks, by many tasks at once."""

    async def one(number: int) -> None:
        user = await models.User(name=f"save {number}").save()
        await user.update(name=f"update {number}")
        async with models.database.transaction():
            for each in range(3):
                await models.User(name=f"block {number} {each}").save()
        await models.User.query.bulk_create([{"name": f"bulk {number} {each}"} for each in range(25)])
        await user.delete()

    for batch in range(5):
        await asyncio.gather(*(one(number) for number in range(batch * 8, batch * 8 + 8)))


def answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def server():
    """Return the URL of a database on PostgreSQL."""
    with database_on("asyncpg", with_force=True) as url:
        yield url


@pytest.fixture
def bouncer(server, tmp_path):
    """Run a PgBouncer in transaction mode before the database; return the URL of that."""
    program = os.environ.get("ALDIS_TEST_PGBOUNCER") or shutil.which("pgbouncer")
    if program is None:
        pytest.skip("PgBouncer is not installed (ALDIS_TEST_PGBOUNCER)")
    url = make_url(server)
    port = free_port()
    settings = tmp_path / "pgbouncer.ini"
    settings.write_text(
        f"[databases]\n{url.database} = host={url.host} port={url.port or 5432} user={url.username}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = any\nunix_socket_dir =\n"
        "pool_mode = transaction\ndefault_pool_size = 4\nmax_client_conn = 200\n"
    )
    tmp_path.chmod(0o755)
    settings.chmod(0o644)
    as_somebody = ["-u", "nobody"] if os.geteuid() == 0 else []
    readable = shutil.copy(settings, f"/tmp/aldis-{uuid4().hex}.ini")
    running = subprocess.Popen([program, "-q", *as_somebody, readable], start_new_session=True)
    try:
        end = time.monotonic() + 60
        while not answers(port):
            assert running.poll() is None
            assert time.monotonic() < end
            time.sleep(0.02)
        yield url.set(port=port).render_as_string(hide_password=False)
    finally:
        running.terminate()
        running.wait(60)
        Path(readable).unlink()


async def test_statements_have_the_names_that_the_engine_gives(server) -> None:
    engine = named(server)
    async with models_on(engine) as models, models.database.transaction() as connection:
        await models.User(name="a").save()
        await models.User.query.bulk_create([{"name": str(number)} for number in range(25)])
        names = (await connection.execute(text("SELECT name FROM pg_prepared_statements"))).scalars().all()
    assert names
    assert [name for name in names if not name.startswith("__ours_")] == []


async def test_nothing_fails_behind_pgbouncer(bouncer) -> None:
    async with models_on(named(bouncer)) as models:
        await save_in_every_way(models)
        assert len(await models.stored()) == 40 * 28
