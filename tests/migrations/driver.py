"""Runs command lines of ``alembic`` and ``aldis``, many in one process, and tells what each printed, fired and left.

A process of its own, since ``env.py`` configures logging, and Alembic keeps the standard output that it was imported
with. Reads steps from standard input, a JSON array a line, and answers each with a line of JSON.
"""

from __future__ import annotations

import gc
import importlib
import inspect
import io
import json
import logging
import os
import re
import sys
import traceback
from pathlib import Path


class Stream:
    """Stands for a standard stream; whoever keeps it writes to the step that runs."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.buffer_now = io.StringIO()

    def write(self, text: str) -> int:
        return self.buffer_now.write(text)

    def flush(self) -> None: ...

    def isatty(self) -> bool:
        return False

    def taken(self) -> str:
        text, self.buffer_now = self.buffer_now.getvalue(), io.StringIO()
        return text


answer_to = sys.stdout
out, err = Stream(), Stream()
sys.stdout, sys.stderr = out, err

import alembic.command  # noqa: E402
import alembic.config  # noqa: E402
import sqlalchemy as sa  # noqa: E402

import aldis.cli  # noqa: E402
from aldis.dispatch.signal import default_namespace  # noqa: E402
from aldis.signals import LIFECYCLE, post_migrate, pre_migrate, revision_applied  # noqa: E402

PATH = sys.path[:]
FIRED: list = []
CALLED: list = []


def plain(value):
    return value if isinstance(value, (str, int, type(None))) else type(value).__name__


def recorded(signal):
    def receiver(sender, **kwargs) -> None:
        kwargs.pop("seconds", None)
        FIRED.append([signal.name, sender, {name: plain(value) for name, value in kwargs.items()}])

    async def async_receiver(sender, **kwargs) -> None:
        FIRED.append([f"{signal.name}, async", sender, None])

    signal.connect(receiver, weak=False)
    if signal is not revision_applied:
        signal.connect(async_receiver, weak=False)


def listen_anew() -> None:
    """Forget the receivers of modules that are imported anew, and those of the last project's."""
    for signal in LIFECYCLE:
        signal._clear_state()
    default_namespace.clear()
    gc.collect()  # the models
    for signal in (pre_migrate, post_migrate, revision_applied):
        recorded(signal)


def spied(name):
    """Let Alembic's own function tell what it was called with, defaults included."""
    function = getattr(alembic.command, name)

    def spy(*args, **kwargs):
        bound = inspect.signature(function).bind(*args, **kwargs)
        bound.apply_defaults()
        CALLED.append([name, {key: plain(value) for key, value in bound.arguments.items()}])
        return function(*args, **kwargs)

    spy.__name__, spy.__module__, spy.__doc__ = name, "spied", function.__doc__
    return spy


SPIES = {name: spied(name) for name in ("upgrade", "downgrade", "revision")}


def forget_logging() -> None:
    """Undo what ``env.py`` has configured: another process would not have it."""
    for logger in [logging.root, *logging.root.manager.loggerDict.values()]:
        if isinstance(logger, logging.Logger):
            logger.handlers.clear()
            logger.disabled = False
            logger.setLevel(logging.WARNING if logger is logging.root else logging.NOTSET)


def command_line(program: str, arguments: list[str]) -> int:
    try:
        if program == "aldis":
            before = {name: getattr(alembic.command, name) for name in SPIES}
            for name, spy in SPIES.items():
                setattr(alembic.command, name, spy)
            try:
                aldis.cli.main(arguments)
            finally:
                for name, function in before.items():
                    setattr(alembic.command, name, function)
        else:
            alembic.config.main(arguments, prog="alembic")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except Exception:
        err.write(traceback.format_exc())
        return 1
    return 0


def fill_body(revision: str, function: str, body: str) -> None:
    """Put statements into a function of a revision."""
    (path,) = Path().glob(f"migrations/versions/{revision}_*.py")
    text = path.read_text()
    found = re.search(rf'def {function}\(.*?\n(    """.*?"""\n)?', text)
    assert found, (function, text)
    place = text.index("    pass", found.end())
    path.write_text(f"{text[:place]}    {body}{text[place + len('    pass') :]}")


def schema_of(url: str) -> list:
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        inspector = sa.inspect(connection)
        told = []
        for table in sorted(inspector.get_table_names()):
            columns = [[each["name"], str(each["type"]), each["nullable"]] for each in inspector.get_columns(table)]
            unique = sorted(str(each["column_names"]) for each in inspector.get_unique_constraints(table))
            foreign = sorted(str(each["constrained_columns"]) for each in inspector.get_foreign_keys(table))
            told.append([table, columns, unique, foreign])
        version = sa.table("alembic_version", sa.column("version_num"))
        heads = sorted(connection.scalars(sa.select(version.c.version_num))) if told else []
    engine.dispose()
    return [told, heads]


def step(kind: str, *arguments):
    if kind in {"alembic", "aldis"}:
        FIRED.clear()
        CALLED.clear()
        code = command_line(kind, list(arguments))
        forget_logging()
        return {"code": code, "out": out.taken(), "err": err.taken(), "fired": FIRED[:], "called": CALLED[:]}
    if kind == "write":
        name, text = arguments
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    elif kind == "edit":
        name, old, new = arguments
        text = Path(name).read_text()
        assert old in text, (name, old, text)
        Path(name).write_text(text.replace(old, new))
    elif kind == "set":
        name, option, value = arguments
        text = Path(name).read_text()
        text, count = re.subn(rf"(?m)^{re.escape(option)} = .*$", lambda _: f"{option} = {value}", text)
        assert count, (name, option)
        Path(name).write_text(text)
    elif kind == "body":
        fill_body(*arguments)
    elif kind == "read":
        return "\n".join(path.read_text() for path in sorted(Path().glob(arguments[0])))
    elif kind == "schema":
        return schema_of(*arguments)
    elif kind == "cd":
        Path(arguments[0]).mkdir(parents=True, exist_ok=True)
        os.chdir(arguments[0])
        for name in [name for name in sys.modules if name.partition(".")[0] in {"models", "shop"}]:
            del sys.modules[name]
        sys.path[:] = [PATH[0], *(path for path in PATH[1:] if path)]
        importlib.invalidate_caches()
        listen_anew()
    else:
        raise AssertionError(kind)
    return None


for line in sys.stdin:
    answer_to.write(json.dumps(step(*json.loads(line))) + "\n")
    answer_to.flush()
