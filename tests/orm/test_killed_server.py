"""A PostgreSQL server of our own, killed with signal 9 while rows are being saved."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import inspect, make_url
from sqlalchemy.exc import DBAPIError, PendingRollbackError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import aldis
from ports import free_port

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))


@pytest.fixture
def own_server(tmp_path_factory):
    """Return the URL of a PostgreSQL server of our own, what kills it with signal 9, and what starts it again."""
    if not BINARIES or os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("a server of our own needs PostgreSQL's binaries, and root to run them as another user")
    folder = tmp_path_factory.mktemp("server")
    temporary = tmp_path_factory.getbasetemp().parents[1]
    bin_, data = BINARIES[-1].parent, folder / "data"
    for each in (folder, *folder.parents):
        if each != temporary and each.is_relative_to(temporary):
            each.chmod(0o755)  # the other user has to get there
    shutil.chown(folder, "postgres", "postgres")
    as_postgres = {"user": "postgres", "group": "postgres", "check": True, "capture_output": True, "cwd": folder}
    port = free_port()
    subprocess.run([bin_ / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--no-sync"], **as_postgres)
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"

    def start() -> None:
        # Who kills a server so has to say that it is gone: its process may not have been waited for by anybody.
        (data / "postmaster.pid").unlink(missing_ok=True)
        command = [bin_ / "pg_ctl", "-D", data, "-o", options, "-l", folder / "log", "-w", "-t", "180", "start"]
        subprocess.run(command, **{**as_postgres, "capture_output": False, "stdout": subprocess.DEVNULL})

    def kill() -> None:
        postmaster = int((data / "postmaster.pid").read_text().split()[0])
        children = subprocess.run(["pgrep", "-P", str(postmaster)], capture_output=True, text=True, check=False).stdout
        for process in (postmaster, *map(int, children.split())):
            with suppress(ProcessLookupError):  # a connection's process may have ended meanwhile
                os.kill(process, signal.SIGKILL)
        while any(Path(f"/proc/{process}").exists() and not zombie(process) for process in map(int, children.split())):
            time.sleep(0.01)

    start()
    yield f"postgresql+asyncpg://postgres@127.0.0.1:{port}/postgres", kill, start
    kill()


def zombie(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


async def test_server_that_is_killed_in_mid_operation(own_server) -> None:
    url, kill, start = own_server

    class Base(aldis.Model, DeclarativeBase):
        database = aldis.Database(make_url(url))

    class User(Base):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

    async with Base.database.transaction() as connection:
        await connection.run_sync(Base.metadata.create_all)
        ada = await User.query.create(name="ada")

    dead = []

    async def killer(sender, model_instance):
        if not dead:
            dead.append(model_instance.name)
            await asyncio.to_thread(kill)

    new = [User(name="new"), User(name="newer")]
    User.meta.signals.post_save.connect(killer, User)
    with pytest.raises((DBAPIError, PendingRollbackError)):
        async with Base.database.transaction():
            await ada.update(name="Ada")
            await User.query.bulk_create(new)
    assert dead == ["new"]
    assert (ada.name, [inspect(each).transient for each in new]) == ("ada", [True, True])
    await asyncio.to_thread(start)
    async with asyncio.timeout(60):
        while True:
            try:
                found = await User.query.values("name")
                break
            except (OSError, DBAPIError):
                await asyncio.sleep(0.05)
    assert found == [{"name": "ada"}]
    assert Base.database.engine.pool.checkedout() == 0
    await User.query.bulk_create(new)
    assert await User.query.count() == 3
    await Base.database.dispose()
