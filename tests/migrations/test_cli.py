"""``aldis`` as people type it: its own commands, flags and template, its output, and how it fails."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from projects import environment, nullable, query, run, tables_in

import aldis

MODELS = """
import aldis
from aldis.signals import post_delete, post_migrate, post_save, pre_migrate, pre_save
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(aldis.Model, DeclarativeBase):
    metadata = MetaData(naming_convention=aldis.migrations.NAMING_CONVENTION)
    database = aldis.Database({url!r})


class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    # more


@pre_migrate.connect
async def before(sender, revision=None, **kwargs):
    print("before", sender, revision)


@post_migrate.connect_via("upgrade")
def after(sender):
    print("after", sender)
"""


@pytest.fixture
def shop(sqlite, driver, tmp_path):
    """Return the folder of a project that ``aldis init`` has made, and its database's URL."""
    plain, url = sqlite.make()
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/__init__.py").touch()
    (tmp_path / "shop/models.py").write_text(MODELS.format(url=url))
    done = driver.run(tmp_path, "aldis", "init", "migrations", "--app", "shop.models:Base")
    assert done.returncode == 0, done.stderr
    return tmp_path, plain


@pytest.fixture
def aldis_(driver):
    """Return a function that runs ``aldis`` in a folder."""

    def run_it(folder, *command: str, code: int = 0, program: str = "aldis") -> subprocess.CompletedProcess[str]:
        done = driver.run(folder, program, *command)
        assert done.returncode % 256 == code, done.stderr
        return done

    return run_it


@pytest.fixture
def failed(aldis_):
    """Return a function that runs a command which has to fail, and returns its only line on standard error."""

    def run_it(folder, *command: str, program: str = "aldis") -> str:
        done = aldis_(folder, *command, code=255, program=program)
        theirs = program == "alembic"  # which prints it to standard output, and logs it
        (said,) = [
            line for line in (done.stdout if theirs else done.stderr).splitlines() if line.startswith("FAILED: ")
        ]
        if not theirs:
            assert "FAILED" not in done.stdout
            assert done.stderr.count(said.removeprefix("FAILED: ")) == 1, "once"
        return said

    return run_it


def edit(path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_from_init_to_a_migrated_database(shop, aldis_, failed, driver) -> None:
    folder, url = shop
    (folder / "shop/posts.py").write_text(
        "from shop.models import Base\nfrom sqlalchemy.orm import Mapped, mapped_column\n\n\nclass Post(Base):\n"
        '    __tablename__ = "post"\n    id: Mapped[int] = mapped_column(primary_key=True)\n'
    )
    (folder / "shop/__init__.py").write_text("from shop.models import Base\n")
    edit(folder / "alembic.ini", "app = shop.models:Base", "app = shop:Base")
    assert "before revision" in aldis_(folder, "migrate", "-m", "first").stdout
    done = aldis_(folder, "upgrade", "head")
    assert done.stdout.splitlines() == ["before upgrade head", "after upgrade"]
    assert tables_in(url) == {"alembic_version", "user", "post"}, "the modules of a package are all imported"
    assert "No new upgrade operations detected." in aldis_(folder, "check").stdout
    edit(folder / "shop/models.py", "# more", "email: Mapped[str] = mapped_column(default='none')")
    assert "New upgrade operations detected" in failed(folder, "check")
    query(url, "INSERT INTO user (name) VALUES ('Ada')")
    aldis_(folder, "migrate", "-m", "mail", "--null-field", ":email")
    aldis_(folder, "upgrade", "head")
    assert query(url, "SELECT email FROM user") == [("none",)]
    assert nullable(url, "user")["email"] is False
    aldis_(folder, "check")
    # SQLite alters by copying, and drops a column whose constraint has a name.
    aldis_(folder, "downgrade", "-1")
    assert "email" not in nullable(url, "user")
    assert "CREATE TABLE user" in aldis_(folder, "upgrade", "head", "--sql").stdout
    plain = driver.run(folder, "alembic", "upgrade", "head")
    assert (plain.returncode, plain.stdout.splitlines()) == (0, ["before upgrade head", "after upgrade"])


def test_several_databases(sqlite, databases, tmp_path, aldis_, failed) -> None:
    (main, main_url), (logs, logs_url) = sqlite.make(), databases.make()
    (tmp_path / "models.py").write_text(
        "import aldis\nfrom sqlalchemy import MetaData\n"
        "from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column\n"
        + "".join(
            f"\n\nclass {name}(aldis.Model, DeclarativeBase):\n"
            "    metadata = MetaData(naming_convention=aldis.migrations.NAMING_CONVENTION)\n"
            f"    database = aldis.Database({url!r})\n"
            f'\n\nclass {name}One({name}):\n    __tablename__ = "{name.lower()}_one"\n'
            f"    id: Mapped[int] = mapped_column(primary_key=True)\n    # more of {name}\n"
            for name, url in (("Main", main_url), ("Logs", "sqlite+aiosqlite://"))
        )
    )
    apps = ["--app", "main=models:Main", "--app", "logs=models:Logs"]
    aldis_(tmp_path, "init", "migrations", *apps)
    with (tmp_path / "alembic.ini").open("a") as ini:
        ini.write(f"\n[logs]\nsqlalchemy.url = {logs_url}\n")
    aldis_(tmp_path, "migrate", "-m", "first")
    aldis_(tmp_path, "upgrade", "head")
    assert tables_in(main) == {"alembic_version", "main_one"}
    assert tables_in(logs) == {"alembic_version", "logs_one"}
    aldis_(tmp_path, "check")
    query(logs, "INSERT INTO logs_one (id) VALUES (5)")
    edit(tmp_path / "models.py", "# more of Logs", "level: Mapped[int] = mapped_column(default=3)")
    assert "no model is called 'LogsTwo'" in failed(tmp_path, "migrate", "-m", "no", "--null-field", "LogsTwo.level")
    aldis_(tmp_path, "migrate", "-m", "levels", "--null-field", "LogsOne.level")
    aldis_(tmp_path, "upgrade", "head")
    assert query(logs, "SELECT id, level FROM logs_one") == [(5, 3)]
    assert nullable(logs, "logs_one")["level"] is False
    aldis_(tmp_path, "check")
    aldis_(tmp_path, "revision", "-m", "empty")
    aldis_(tmp_path, "upgrade", "head")
    aldis_(tmp_path, "downgrade", "base")
    assert tables_in(main) == {"alembic_version"} == tables_in(logs)
    sql = aldis_(tmp_path, "upgrade", "head", "--sql").stdout
    assert "main_one" in sql
    assert "logs_one" in sql


def test_json_is_an_object_a_line(shop, aldis_) -> None:
    folder, _ = shop
    edit(folder / "shop/models.py", 'print("before", sender, revision)', "pass")
    edit(folder / "shop/models.py", 'print("after", sender)', "pass")

    def lines(*command: str, code: int = 0):
        return [json.loads(line) for line in aldis_(folder, *command, "--json", code=code).stdout.splitlines()]

    (written,) = lines("migrate", "-m", "first")
    assert (written["command"], written["down_revision"], written["message"]) == ("revision", None, "first")
    assert Path(written["path"]).exists()
    applied, end = lines("upgrade", "head")
    assert (applied["revision_id"], applied["down_revision"]) == (written["revision_id"], None)
    assert (end["command"], end["revisions"]) == ("upgrade", 1)
    assert 0 < applied["seconds"] <= end["seconds"] < 60
    assert lines("check") == [{"command": "check", "pending": False}]
    (taken_back, end) = lines("downgrade", "base")
    assert (taken_back["command"], taken_back["revision_id"], end["revisions"]) == (
        "downgrade",
        written["revision_id"],
        1,
    )
    (error,) = lines("upgrade", "nowhere", code=255)
    assert "nowhere" in error["error"]
    (error,) = lines("check", code=255)
    assert "Target database is not up to date" in error["error"]
    (error,) = lines("upgrade", "head", "--sql", code=255)
    assert "both write to standard output" in error["error"]


def test_signals_are_listed_with_where_each_receiver_was_connected(shop, aldis_, failed) -> None:
    folder, _ = shop
    with (folder / "shop/models.py").open("a") as models:
        models.write(
            """

class Keeper:
    def keep(self, sender, instance): ...


KEEPER = Keeper()


def connect_late(receiver, *senders):
    for sender in senders:
        post_save.connect(receiver, sender, weak=False, subclasses=sender is Base)


def both(sender, instance): ...


connect_late(both, User, Base)
post_save.connect(both, Keeper)
pre_save.connect(KEEPER.keep)
post_delete.connect_via(User, after_commit=True, priority=3)(before)
User.meta.signals.on_verify = aldis.Signal()
User.meta.signals.on_verify.connect(both)
User.meta.signals.pre_delete = aldis.NamedSignal("own")
aldis.signal("paid").connect(both, "shop")
"""
        )
    text = (folder / "shop/models.py").read_text().splitlines()

    def line(of: str) -> int:
        (found,) = [number for number, each in enumerate(text, 1) if each.strip() == of]
        return found

    rows = [json.loads(each) for each in aldis_(folder, "signals", "--json").stdout.splitlines()]
    told = {
        row["signal"]: [each for each in row["receivers"] if "/driver.py" not in each["file"]]
        for row in rows
        if "signal" in row
    }
    assert next(row["receivers"] for row in rows if row.get("imported") == "shop.models") == 9
    path = str(folder / "shop/models.py")
    late = line("post_save.connect(receiver, sender, weak=False, subclasses=sender is Base)")
    assert [(each["receiver"], each["sender"], each["file"], each["line"]) for each in told["post_save"]] == [
        ("shop.models.both", "shop.models.User", path, late),
        ("shop.models.both", "shop.models.Base", path, late),
        ("shop.models.both", "shop.models.Keeper", path, line("post_save.connect(both, Keeper)")),
    ]
    assert [each["unmapped"] for each in told["post_save"]] == [False, False, True]
    assert [each["subclasses"] for each in told["post_save"]] == [False, True, False]
    first = told["post_save"][0]
    assert (first["async"], first["weak"], first["after_commit"], first["batched"], first["priority"]) == (
        False,
        True,
        False,
        False,
        0,
    )
    (kept,) = told["pre_save"]
    assert (kept["receiver"], kept["sender"], kept["line"]) == (
        "shop.models.Keeper.keep",
        None,
        line("pre_save.connect(KEEPER.keep)"),
    )
    (deleted,) = told["post_delete"]
    assert (deleted["async"], deleted["weak"], deleted["after_commit"], deleted["priority"]) == (True, False, True, 3)
    (verified,) = told["User.meta.signals.on_verify"]
    assert verified["line"] == line("User.meta.signals.on_verify.connect(both)")
    assert told["User.meta.signals.pre_delete"] == []
    assert told["signal('paid')"][0]["sender"] == "shop"
    (before,) = told["pre_migrate"]
    assert before["line"] == line("@pre_migrate.connect")
    assert told["post_migrate"][0]["sender"] == "upgrade"
    shown = aldis_(folder, "signals").stdout.splitlines()
    place = shown.index("post_delete")
    where = line("post_delete.connect_via(User, after_commit=True, priority=3)(before)")
    assert shown[place + 1].split() == [
        "User",
        "shop.models.before",
        f"shop/models.py:{where}",
        "async",
        "strong",
        "after",
        "commit,",
        "priority",
        "3",
    ]
    assert "there is no module 'nowhere'" in failed(folder, "signals", "--app", "nowhere:Base")


def test_signals_without_a_project_are_those_that_there_are(tmp_path) -> None:
    shown = run(tmp_path, "aldis", "signals").stdout.splitlines()
    assert shown[0].startswith("Imported nothing. Name the models: --app PACKAGE.MODULE:BASE")
    assert shown[-1].startswith("Without receivers: pre_save, post_save, ")


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal is of Unix")
def test_terminal_shows_each_revision_and_its_seconds(shop, aldis_) -> None:
    import pty

    folder, url = shop
    aldis_(folder, "migrate", "-m", "first")
    aldis_(folder, "upgrade", "head")
    query(url, "INSERT INTO user (name) VALUES ('Ada')")
    edit(folder / "shop/models.py", "# more", "email: Mapped[str] = mapped_column(default='none')")
    aldis_(folder, "migrate", "-m", "mail", "--null-field", "User.email")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "aldis", "upgrade", "head"],
        cwd=folder,
        env={**environment(), "TERM": "xterm"},
        stderr=theirs,
        stdout=subprocess.PIPE,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            read = os.read(ours, 10_000)
        except OSError:
            break
        if not read:
            break
        shown += read
    os.close(ours)
    assert process.communicate()[0].decode().splitlines() == ["before upgrade head", "after upgrade"]
    assert process.returncode == 0
    plain = re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", shown)
    assert re.search(rb"mail: applied in \d+\.\d\d s", plain)
    assert b"filling user" in plain
    assert b"1/1" in plain


def test_init_says_what_is_missing(sqlite, tmp_path, aldis_, failed) -> None:
    assert "there is no module 'shop'" in failed(tmp_path, "init", "migrations", "--app", "shop.models:Base")
    assert "give package.module:Base" in failed(tmp_path, "init", "migrations", "--app", "shop")
    assert "there is no 'Nothing' in aldis." in failed(tmp_path, "init", "migrations", "--app", "aldis:Nothing")
    assert "give each a name of its own" in failed(tmp_path, "init", "migrations", "--app", "a:B", "--app", "c:D")
    assert "has to be a name that Python takes" in failed(tmp_path, "init", "migrations", "--app", "a-b=a:B")
    assert "--app is for the template 'aldis'" in failed(
        tmp_path, "init", "migrations", "-t", "generic", "--app", "a:B"
    )
    assert list(tmp_path.iterdir()) == [], "nothing is written before all is known to be right"
    aldis_(tmp_path, "init", "migrations")
    assert "`app` is not set in [alembic]" in failed(tmp_path, "upgrade", "head")
    (tmp_path / "models.py").write_text(
        "import aldis\nfrom sqlalchemy.orm import DeclarativeBase\n\n\nclass Base(aldis.Model, DeclarativeBase): ...\n"
    )
    edit(tmp_path / "alembic.ini", "\napp =\n", "\napp = models:Base\n")
    assert "Base has no database: set `database = aldis.Database(url)` on it" in failed(
        tmp_path, "migrate", "-m", "first"
    )
    done = aldis_(tmp_path, "init", "more", "--app", "models:Base")
    said = done.stdout + done.stderr
    assert "was there already: set `app = models:Base`" in said.replace("\n    ", " ")
    assert "names no constraints" in said
    aldis_(tmp_path, "init", "-t", "async", "theirs")
    assert "run_async_migrations" in (tmp_path / "theirs/env.py").read_text()
    listed = aldis_(tmp_path, "list_templates").stdout
    assert "aldis - Migrations of aldis models" in listed
    assert "pyproject - " in listed


def test_errors_end_with_a_sentence_a_code_and_the_database_as_it_was(shop, aldis_, failed, driver) -> None:
    folder, url = shop
    (folder / "empty").mkdir()
    assert "there are no migrations here" in (said := failed(folder / "empty", "upgrade", "head"))
    assert said.endswith("Set them up: aldis init migrations --app PACKAGE.MODULE:BASE")
    aldis_(folder, "migrate", "-m", "first", "--rev-id", "a1")
    assert "Can't locate revision identified by 'nowhere'" in failed(folder, "upgrade", "nowhere")
    aldis_(folder, "upgrade", "head")
    aldis_(folder, "revision", "-m", "left", "--rev-id", "b2")
    aldis_(folder, "revision", "-m", "right", "--rev-id", "c3", "--head", "a1", "--splice")
    assert "Multiple head revisions are present" in failed(folder, "upgrade", "head")
    assert query(url, "SELECT version_num FROM alembic_version") == [("a1",)]

    models = folder / "shop/models.py"
    edit(models, 'print("before", sender, revision)', "raise ValueError('not tonight')")
    for program in ("aldis", "alembic"):
        done = driver.run(folder, program, "upgrade", "heads")
        assert done.returncode == 1
        assert "ValueError: not tonight" in done.stderr
        assert "aldis: at the receiver shop.models.before of the signal 'pre_migrate', sender 'upgrade'" in done.stderr
        assert query(url, "SELECT version_num FROM alembic_version") == [("a1",)]
    edit(models, "raise ValueError('not tonight')", "raise aldis.SkipOperation('another deploy is at it')")
    assert "upgrade was skipped: another deploy is at it" in aldis_(folder, "upgrade", "heads").stderr
    assert "upgrade was skipped: another deploy is at it" in failed(folder, "upgrade", "heads", program="alembic")
    assert query(url, "SELECT version_num FROM alembic_version") == [("a1",)]
    edit(models, "raise aldis.SkipOperation('another deploy is at it')", "pass")
    edit(models, 'print("after", sender)', "raise ValueError('too late')")
    done = aldis_(folder, "upgrade", "b2", code=1)
    assert "ValueError: too late" in done.stderr
    assert "aldis: at the receiver shop.models.after of the signal 'post_migrate', sender 'upgrade'" in done.stderr
    done = driver.run(folder, "alembic", "upgrade", "c3")
    assert (done.returncode, "ValueError: too late" in done.stderr) == (1, True)
    assert sorted(query(url, "SELECT version_num FROM alembic_version")) == [("b2",), ("c3",)]

    edit(
        folder / "alembic.ini",
        "# sqlalchemy.url = sqlite+aiosqlite:///app.db",
        "sqlalchemy.url = sqlite+aiosqlite:////no/where.db",
    )
    said = failed(folder, "upgrade", "heads")
    assert said == "FAILED: the database cannot be reached: OperationalError: unable to open database file"
    edit(folder / "alembic.ini", "sqlite+aiosqlite:////no/where.db", "postgresql+asyncpg://127.0.0.1:9/test")
    assert "the database cannot be reached: ConnectionRefusedError: " in failed(folder, "upgrade", "heads")
    edit(folder / "alembic.ini", "postgresql+asyncpg://127.0.0.1:9/test", "sqlite+aiosqlite:////no/where.db")
    edit(folder / "alembic.ini", "sqlite+aiosqlite:////no/where.db", "postgresql+nodriver://nowhere/test")
    assert "the driver of postgresql+nodriver://nowhere/test cannot be used" in failed(folder, "upgrade", "heads")
    edit(folder / "alembic.ini", "postgresql+nodriver://nowhere/test", "no url")
    assert "sqlalchemy.url in [alembic] is (6 characters, not shown" in failed(folder, "upgrade", "heads")


def test_receivers_that_env_py_brings_hear_pre_migrate_once(shop, aldis_) -> None:
    """The functions, unlike the command line, do not know which modules have receivers."""
    folder, url = shop
    aldis_(folder, "migrate", "-m", "first")
    (folder / "deploy.py").write_text(
        "from alembic.config import Config\nfrom aldis import migrations\n\n\n"
        'config = Config("alembic.ini")\nmigrations.upgrade(config, "head")\nmigrations.downgrade(config, "base")\n'
    )
    done = run(folder, "deploy")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["before upgrade head", "after upgrade", "before downgrade base"]
    assert tables_in(url) == {"alembic_version"}


def test_version_names_both_programs(tmp_path, aldis_) -> None:
    import alembic

    assert aldis_(tmp_path, "--version").stdout == f"aldis {aldis.__version__}, Alembic {alembic.__version__}\n"


def test_our_own_errors_end_with_a_sentence_too(shop, aldis_, failed) -> None:
    folder, url = shop
    aldis_(folder, "migrate", "-m", "first")
    aldis_(folder, "upgrade", "head")
    query(url, "INSERT INTO user (name) VALUES ('Ada')")
    edit(folder / "shop/models.py", "# more", "email: Mapped[str]")
    aldis_(folder, "migrate", "-m", "mail", "--null-field", "User.email")
    said = failed(folder, "upgrade", "head")
    assert "User.email has no value for the row (1,): give the column a default" in said
    assert "Traceback" in aldis_(folder, "--raiseerr", "upgrade", "head", code=1).stderr
