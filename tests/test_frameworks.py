"""The programs of the pages on frameworks, each started as a server of its own that answers real requests."""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import httpx
import pytest

import aldis
from ports import free_port

PAGES = Path(__file__).parent.parent / "docs/frameworks"
SECONDS = 180


def programs(page: str) -> dict[str, str]:
    """Return the programs of a page by the name that the text gives them."""
    text = (PAGES / f"{page}.md").read_text("utf-8")
    return dict(re.findall(r"`(\w+\.py)`:\n\n```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE))


def write(page: str, folder: Path) -> None:
    """Write a page's programs into a folder."""
    for name, program in programs(page).items():
        (folder / name).write_text(program, "utf-8")


def require(*modules: str) -> None:
    """Skip where a framework is not installed: SQLModel asks for SQLAlchemy 2.0."""
    for module in modules:
        pytest.importorskip(module, reason=f"{module} is not installed here")


@contextmanager
def started(folder: Path, *command: str) -> Iterator[Callable[[], str]]:
    """Start a program in a folder; hand out a function that returns its output so far; stop the program."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder),
        "PYTHONUNBUFFERED": "1",
        "ALDIS_PURE_PYTHON": "1" if aldis.backend == "pure" else "0",
    }
    log = folder / "log.txt"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=folder, env=environment, stdout=output, stderr=output
        )
    try:
        yield lambda: log.read_text("utf-8")
    finally:
        process.terminate()
        process.wait(SECONDS)


def wait_for(condition: Callable[[], bool], output: Callable[[], str]) -> None:
    """Wait until a condition holds; fail with the program's output if it never does."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, output()
        time.sleep(0.05)


def answers(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


SERVERS = {
    "fastapi": ("fastapi uvicorn", "uvicorn app:app --port {}"),
    "litestar": ("litestar advanced_alchemy uvicorn", "litestar run --port {}"),
    "quart": ("quart hypercorn", "hypercorn app:app --bind 127.0.0.1:{}"),
    "flask": ("flask_sqlalchemy", "flask run --port {}"),
    "sqlmodel": ("sqlmodel fastapi uvicorn", "uvicorn app:app --port {}"),
    "sqlmodel, sync": ("sqlmodel fastapi uvicorn", "uvicorn sync_app:app --port {}"),
}


@pytest.mark.parametrize("name", SERVERS)
def test_server_of_the_page_answers_requests_and_calls_its_receiver(name, tmp_path) -> None:
    modules, command = SERVERS[name]
    require(*modules.split())
    page = name.partition(",")[0]
    shown = re.sub(r" --(port|bind) \S+", "", command)
    assert f"{shown}\n" in (PAGES / f"{page}.md").read_text("utf-8")
    write(page, tmp_path)
    port = free_port()
    with started(tmp_path, "-m", *command.format(port).split()) as output:
        wait_for(lambda: answers(port), output)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=SECONDS) as client:
            for number, guest in enumerate(("Ada", "Bob"), 1):
                answer = client.post(f"/guests/{guest}")
                assert answer.is_success, output()
                assert answer.json()["id"] == number
                wait_for(lambda who=guest: f"mail to {who}: welcome" in output(), output)
    assert output().count("mail to") == 2


COUNTED = """

@app.get("/guests")
async def count() -> int:
    return await Guest.query.count()
"""


@pytest.mark.parametrize("where", ["/guests.db", ""], ids=["file", "memory"])
def test_requests_at_once_that_read_and_then_write(where, tmp_path) -> None:
    """40 at once, on SQLite: each answers, and each has its row. A BEGIN that is upgraded would fail for most."""
    require("fastapi", "uvicorn")
    program = programs("fastapi")["app.py"]
    reads = program.replace("//" + "/guests.db", f"//{where}").replace(
        "        guest = await", "        await Guest.query.count()\n        guest = await"
    )
    assert reads.count("Guest.query.count()") == 1
    (tmp_path / "app.py").write_text(reads + COUNTED, "utf-8")
    port = free_port()

    async def ask() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=SECONDS) as client:
            answers = await asyncio.gather(*(client.post(f"/guests/{number}") for number in range(40)))
            return [*answers, await client.get("/guests")]

    with started(tmp_path, "-m", "uvicorn", "app:app", "--port", str(port)) as output:
        wait_for(lambda: answers(port), output)
        *added, counted = asyncio.run(ask())
        assert [answer.status_code for answer in added] == [200] * 40, output()
        assert sorted(answer.json()["id"] for answer in added) == list(range(1, 41))
        assert counted.json() == 40
        wait_for(lambda: output().count("mail to") == 40, output)


def test_celery_worker_gets_the_task_of_a_committed_row(tmp_path, monkeypatch) -> None:
    require("celery", "kombu")
    write("celery", tmp_path)
    monkeypatch.setenv("BROKER", f"sqla+sqlite:///{tmp_path}/broker.db")  # a broker that needs no server
    with started(tmp_path, "-m", "celery", "-A", "app", "worker", "--loglevel", "INFO", "--pool", "solo") as worker:
        wait_for(lambda: " ready." in worker(), worker)
        assert "greeted" not in worker()
        done = subprocess.run([sys.executable, "sign_up.py"], cwd=tmp_path, capture_output=True, check=False, text=True)
        assert done.returncode == 0, done.stderr
        wait_for(lambda: "greeted {'greeted': True}" in worker(), worker)


def test_script_loads_its_guests(tmp_path) -> None:
    write("scripts-and-notebooks", tmp_path)
    with started(tmp_path, "load.py") as output:
        wait_for(lambda: "2 guests more" in output(), output)


def test_notebook_cells_run_and_one_that_runs_again_replaces_its_receiver(monkeypatch) -> None:
    text = (PAGES / "scripts-and-notebooks.md").read_text("utf-8").partition("## A notebook")[2]
    models, receiver = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    printed: list[tuple[str, ...]] = []
    module = ModuleType("notebook")
    monkeypatch.setitem(sys.modules, "notebook", module)  # where SQLAlchemy looks for the types of annotations
    namespace = module.__dict__
    namespace["print"] = lambda *words: printed.append(words)

    async def run(cell: str) -> None:
        value = eval(compile(cell, "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), namespace)
        assert inspect.iscoroutine(value)
        await value

    async def notebook() -> None:
        await run(models)
        for number in (1, 2, 3):
            await run(receiver)
            assert printed == [("saved", "Uma")] * number
        await namespace["Base"].database.dispose()

    asyncio.run(notebook())
