"""Brokers and processes that a test can kill: servers of its own, started from the binaries of the machine."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import aldis
from ports import free_port

SECONDS = 180
"""That a program may take to start, on a machine that does much else."""


def answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), 1).close()
    except OSError:
        return False
    return True


class Process:
    """A program that runs until it is killed, and can be started again."""

    def __init__(self, *command: str, log: Path, prefix: tuple[str, ...] = (), **environment: str) -> None:
        self.command = [*prefix, *command]
        self.log = log
        self.environment = {**os.environ, **environment}
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.log.parent,  # RabbitMQ, killed in a bad moment, leaves its memory in the folder it runs in
                env=self.environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # with its children, a group that can be killed
            )

    def kill(self, number: int = signal.SIGKILL) -> int:
        assert self.process is not None
        os.killpg(self.process.pid, number)
        return self.process.wait(SECONDS)

    async def until_said(self, what: str) -> None:
        """Wait until it has written something."""
        async with asyncio.timeout(SECONDS):
            while what not in self.log.read_text():
                await asyncio.sleep(0.05)

    def is_running(self) -> bool:
        assert self.process is not None
        return self.process.poll() is None

    def end(self) -> None:
        if self.is_running():
            self.kill()


class Aldis(Process):
    """``aldis relay`` in a process of its own, with the models of ``warehouse.py``."""

    def __init__(self, *arguments: str, log: Path, prefix: tuple[str, ...] = (), **environment: str) -> None:
        super().__init__(
            *(sys.executable, "-m", "aldis", "relay", *arguments, "--app", "warehouse:Base"),
            log=log,
            prefix=prefix,
            PYTHONPATH=os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]),
            ALDIS_PURE_PYTHON="1" if aldis.backend == "pure" else "0",
            **environment,
        )


class Server(Process):
    """A broker of the test's own."""

    def __init__(
        self,
        *command: str,
        host: str,
        port: int,
        scheme: str,
        log: Path,
        prefix: tuple[str, ...] = (),
        **environment: str,
    ) -> None:
        if shutil.which(command[0]) is None:
            if os.environ.get("CI") == "true":
                raise FileNotFoundError(command[0])
            pytest.skip(f"a broker of our own needs {command[0]}")
        self.host, self.port = host, port
        self.url = f"{scheme}://{host}:{port}"
        super().__init__(*command, log=log, prefix=prefix, **environment)

    def start(self) -> None:
        super().start()
        deadline = time.monotonic() + SECONDS
        while not self.is_ready():
            assert self.is_running(), self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def is_ready(self) -> bool:
        """Tell whether it answers; one in a network of its own is taken at its word."""
        if self.command[0] == "ip":
            return "Server is ready" in self.log.read_text()
        return answers(self.host, self.port)

    def restart(self, number: int = signal.SIGKILL) -> None:
        self.kill(number)
        self.start()


def nats(folder: Path, host: str = "127.0.0.1", prefix: tuple[str, ...] = ()) -> Server:
    port = free_port()
    folder.mkdir()
    configuration = folder / "nats.conf"
    configuration.write_text(
        f'listen: "{host}:{port}"\njetstream {{ store_dir: "{folder}" }}\nping_interval: "2s"\nping_max: 2\n'
    )
    command = ("nats-server", "-c", str(configuration))
    return Server(*command, host=host, port=port, scheme="nats", log=folder / "log", prefix=prefix)


def redis(folder: Path) -> Server:
    port = free_port()
    folder.mkdir()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    options += ["--appendonly", "yes", "--appendfsync", "always"]
    command = ("redis-server", *options)
    return Server(*command, host="127.0.0.1", port=port, scheme="redis", log=folder / "log")


def rabbit(folder: Path) -> Server:
    port, other = free_port(), free_port()
    folder.mkdir()
    (folder / "rabbitmq.conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{port}\n")
    return Server(
        "/usr/lib/rabbitmq/bin/rabbitmq-server",
        host="127.0.0.1",
        port=port,
        scheme="amqp",
        log=folder / "log",
        HOME=str(folder),
        RABBITMQ_NODENAME=f"aldis{port}@localhost",
        RABBITMQ_DIST_PORT=str(other),
        RABBITMQ_CONFIG_FILE=str(folder / "rabbitmq.conf"),
        RABBITMQ_CONF_ENV_FILE="/dev/null",
        RABBITMQ_ENABLED_PLUGINS_FILE=str(folder / "plugins"),
        RABBITMQ_MNESIA_BASE=str(folder / "mnesia"),
        RABBITMQ_LOG_BASE=str(folder),
    )


BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))


@contextmanager
def postgresql(host: str, prefix: tuple[str, ...]) -> Iterator[tuple[int, Path]]:
    """Run a PostgreSQL server of the test's own in a network of its own; yield its port, and its sockets' folder."""
    if not BINARIES or shutil.which("setpriv") is None:
        if os.environ.get("CI") == "true":
            raise FileNotFoundError("pg_ctl")
        pytest.skip("a server of our own needs PostgreSQL's binaries")
    # A socket's path has to be short; and pytest shuts its folders for the other user, at each start of another run.
    own = Path(tempfile.mkdtemp(prefix="pg"))
    own.chmod(0o755)
    shutil.chown(own, "postgres", "postgres")
    bin_, data, port = BINARIES[-1].parent, own / "data", free_port()
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": own}
    subprocess.run(
        [bin_ / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--no-sync"],
        user="postgres",
        group="postgres",
        **quiet,
    )
    with (data / "pg_hba.conf").open("a") as rules:
        rules.write("host all all 10.77.0.0/24 trust\n")
    options = f"-p {port} -c listen_addresses={host} -c unix_socket_directories={own} -c fsync=off"
    as_postgres = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
    control = [*prefix, *as_postgres, str(bin_ / "pg_ctl"), "-D", str(data)]
    subprocess.run([*control, "-o", options, "-l", str(own / "log"), "-w", "-t", str(SECONDS), "start"], **quiet)
    try:
        yield port, own
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], **{**quiet, "check": False})
        shutil.rmtree(own, ignore_errors=True)
