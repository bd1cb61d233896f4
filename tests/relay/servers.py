"""Brokers and processes that a test can kill: servers of its own, started from the binaries of the machine."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import aldis


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


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
                self.command, env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def kill(self, number: int = signal.SIGKILL) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)

    def is_running(self) -> bool:
        assert self.process is not None
        return self.process.poll() is None

    def end(self) -> None:
        if self.is_running():
            self.kill()


class Aldis(Process):
    """``aldis relay`` in a process of its own, with the models of ``warehouse.py``."""

    def __init__(self, *arguments: str, log: Path, **environment: str) -> None:
        super().__init__(
            *(sys.executable, "-m", "aldis", "relay", *arguments, "--app", "warehouse:Base"),
            log=log,
            PYTHONPATH=os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]),
            ALDIS_PURE_PYTHON="1" if aldis.backend == "pure" else "0",
            **environment,
        )


class Server(Process):
    """A broker of the test's own."""

    def __init__(
        self, *command: str, host: str, port: int, scheme: str, log: Path, prefix: tuple[str, ...] = ()
    ) -> None:
        if shutil.which(command[0]) is None:
            if os.environ.get("CI") == "true":
                raise FileNotFoundError(command[0])
            pytest.skip(f"a broker of our own needs {command[0]}")
        self.host, self.port = host, port
        self.url = f"{scheme}://{host}:{port}"
        super().__init__(*command, log=log, prefix=prefix)

    def start(self) -> None:
        super().start()
        deadline = time.monotonic() + 30
        while not answers(self.host, self.port):
            assert self.is_running(), self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

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
