"""Every Alembic command, on Alembic's own templates: ``aldis`` prints, writes and leaves the same as ``alembic``."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from alembic.config import Config

import aldis

TEMPLATES = sorted(path.name for path in Path(Config().get_template_directory()).iterdir())
if aldis.backend == "pure":
    TEMPLATES = ["async", "generic"]  # the road to Alembic is the same on both cores

MODELS = """
import sqlalchemy as sa

metadata = sa.MetaData()
sa.Table("user", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(50), unique=True))
sa.Table("post", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("by", sa.ForeignKey("user.id")))
"""

CREATE_USER = (
    "op.create_table('user', sa.Column('id', sa.Integer, primary_key=True), sa.Column('name', sa.String(50)),"
    " sa.UniqueConstraint('name', name='uq_user_name'))"
)
CREATE_POST = (
    "op.create_table('post', sa.Column('id', sa.Integer, primary_key=True), sa.Column('by', sa.Integer, "
    "sa.ForeignKey('user.id')))"
)

COMMANDS = [
    ("revision", "-m", "users", "--rev-id", "a1"),
    ("body", "a1", CREATE_USER, "op.drop_table('user')"),
    ("revision", "-m", "posts", "--rev-id", "b2"),
    ("body", "b2", CREATE_POST, "op.drop_table('post')"),
    ("history",),
    ("heads", "--verbose"),
    ("current",),
    ("upgrade", "+1"),
    ("current", "--verbose"),
    ("upgrade", "head"),
    ("schema",),
    ("upgrade", "head"),
    ("revision", "-m", "no head", "--rev-id", "c0", "--head", "a1"),
    ("revision", "-m", "spliced", "--rev-id", "c3", "--head", "a1", "--splice"),
    ("body", "c3", "op.create_table('spliced', sa.Column('id', sa.Integer))", "op.drop_table('spliced')"),
    ("revision", "-m", "a base of its own", "--rev-id", "s1", "--head", "base", "--branch-label", "side"),
    ("body", "s1", "op.create_table('side', sa.Column('id', sa.Integer))", "op.drop_table('side')"),
    ("heads",),
    ("branches", "--verbose"),
    ("upgrade", "head"),
    ("upgrade", "side@head", "--tag", "a tag"),
    ("upgrade", "heads"),
    ("current",),
    ("schema",),
    ("merge", "-m", "merged", "--rev-id", "m9", "b2", "c3"),
    ("upgrade", "m9"),
    ("history", "--indicate-current", "-r", "a1:m9"),
    ("show", "m9"),
    ("downgrade", "m9-1"),
    ("downgrade", "side@base"),
    ("schema",),
    ("upgrade", "a1:m9", "--sql"),
    ("downgrade", "m9:a1", "--sql"),
    ("upgrade", "c3", "--sql"),
    ("read", "*.sql"),
    ("upgrade", "a1:m9"),
    ("stamp", "heads"),
    ("current",),
    ("stamp", "--purge", "b2"),
    ("current",),
    ("downgrade", "a1"),
    ("schema",),
    ("upgrade", "nowhere"),
    ("downgrade", "+7"),
    ("upgrade", "b2"),
    ("stamp", "--purge", "m9", "s1"),
    ("check",),
    ("revision", "--autogenerate", "-m", "generated", "--rev-id", "z9", "--head", "m9"),
    ("revision", "--autogenerate", "--sql", "-m", "no"),
    ("read", "migrations/versions/z9*.py"),
    ("stamp", "--purge", "b2"),
    ("downgrade", "base"),
    ("schema",),
    ("ensure_version",),
    ("downgrade",),
    ("no_such_command",),
]


def project(template: str, urls: list[tuple[str, str]], program: str, folder: str, with_line: bool) -> list:
    """Return the steps that make a project, and then run all commands in it."""
    is_async = template.endswith("async")
    engines = ["engine1", "engine2"] if template == "multidb" else [""]
    steps = [
        ("cd", folder),
        ("write", "models.py", MODELS),
        (program, "init", "-t", template, "migrations"),
    ]
    if template == "multidb":
        steps += [
            ("edit", "alembic.ini", "driver://user:pass@localhost/dbname\n\n[engine2]", f"{urls[0][0]}\n\n[engine2]"),
            ("edit", "alembic.ini", "driver://user:pass@localhost/dbname2", urls[1][0]),
            (
                "edit",
                "migrations/env.py",
                "target_metadata = {}",
                "import models\ntarget_metadata = {'engine1': models.metadata}",
            ),
        ]
    else:
        steps += [
            ("set", "alembic.ini", "sqlalchemy.url", urls[0][is_async]),
            ("edit", "migrations/env.py", "target_metadata = None", "import models\ntarget_metadata = models.metadata"),
        ]
    if with_line:
        line = "config = context.config\nimport aldis.migrations\naldis.migrations.configure(context)\n"
        steps.append(("edit", "migrations/env.py", "config = context.config\n", line))
    for kind, *arguments in COMMANDS:
        if kind == "body":
            revision, *bodies = arguments
            for engine in engines:
                for function, body in zip(("upgrade", "downgrade"), bodies, strict=True):
                    steps.append(("body", revision, f"{function}_{engine}" if engine else function, body))
        elif kind == "schema":
            steps += [("schema", url) for url, _ in urls[: len(engines)]]
        elif kind == "read":
            steps.append(("read", *arguments))
        else:
            steps.append((program, kind, *arguments))
    return steps


def alike(told: object, folder: str, urls: list[tuple[str, str]]) -> object:
    """Return a step's output without parts that must differ: folder, databases, the program's name, the time."""
    if isinstance(told, dict):
        told, failure = without_failure(told)
        lines = sorted(told["out"].splitlines()) if " (head)" in told["out"] else told["out"]  # a set's order
        # The usage is that of the program's own commands and flags.
        said = "usage" if told["code"] == 2 else told["err"]
        shown = {"code": told["code"], "out": lines, "err": said, "failure": failure}
        return {key: alike(value, folder, urls) for key, value in shown.items()}
    if isinstance(told, list):
        return [alike(each, folder, urls) for each in told]
    if not isinstance(told, str):
        return told
    for number, pair in enumerate(urls):
        for url in pair:
            told = told.replace(url, f"URL {number}")
    told = told.replace(folder, "FOLDER").replace("aldis", "alembic")
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?", "TIME", told)


def without_failure(told: dict) -> tuple[dict, str]:
    """Return a step without the sentence that ended it, and the sentence.

    Alembic prints it and logs it; ours is on standard error alone.
    """
    stream = next((each for each in ("out", "err") if "FAILED: " in told[each]), None)
    if stream is None:
        return told, ""
    before, _, sentence = told[stream].partition("FAILED: ")
    told = {**told, stream: before}
    assert sentence.strip(), told
    if stream == "out":
        logged = told["err"].rindex(sentence.strip())
        told["err"] = told["err"][: told["err"].rfind("\n", 0, logged) + 1]
    return told, sentence


def pairs(fired: list) -> list:
    """Return the signals around a command that fired."""
    return [each for each in fired if each[0].split(",")[0] in {"pre_migrate", "post_migrate"}]


KEYWORDS = {
    "upgrade": ["config", "revision", "sql", "tag"],
    "downgrade": ["config", "revision", "sql", "tag"],
    "revision": [
        "config",
        "message",
        "autogenerate",
        "sql",
        "head",
        "splice",
        "branch_label",
        "version_path",
        "revision_id",
    ],
}
"""The keywords of the contract, by sender."""


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_command_does_what_alembics_does_and_signals_it(template, databases, driver, tmp_path) -> None:
    variants = {"plain": ("alembic", False), "ours": ("aldis", True)}
    if databases.name == "sqlite":
        variants["line"] = ("alembic", True)
    urls = {name: [databases.make(), databases.make()] for name in variants}
    steps = {
        name: project(template, urls[name], program, str(tmp_path / name), with_line)
        for name, (program, with_line) in variants.items()
    }
    results = {name: [driver.step(*step) for step in steps[name]] for name in variants}
    expected = [alike(each, str(tmp_path / "plain"), urls["plain"]) for each in results["plain"]]
    commands = 0
    # The steps of both are the same, but for the line in env.py.
    for name in list(variants)[1:]:
        number = next(place for place, step in enumerate(steps[name]) if step[0] == "edit" and "configure" in step[-1])
        del steps[name][number], results[name][number]
        for step, theirs, ours in zip(steps["plain"], expected, results[name], strict=True):
            assert (step, alike(ours, str(tmp_path / name), urls[name])) == (step, theirs)
    for place, step in enumerate(steps["ours"]):
        if step[0] != "aldis":
            continue
        ours = results["ours"][place]
        fired = pairs(ours["fired"])
        if not ours["called"]:
            assert fired == []
            continue
        commands += 1
        ((function, arguments),) = ours["called"]
        keywords = {key: arguments[key if key != "revision_id" else "rev_id"] for key in KEYWORDS[function]}
        before = [["pre_migrate", function, keywords], ["pre_migrate, async", function, None]]
        after = [["post_migrate", function, keywords], ["post_migrate, async", function, None]]
        assert fired == before + (after if ours["code"] == 0 else [])
        if "line" in results:
            # Alembic runs env.py for these only, and for a revision only when it is generated.
            line = results["line"][place]
            runs_env = "Context impl" in line["err"] or arguments["sql"]
            assert pairs(line["fired"]) == (fired if runs_env and line["fired"] else [])
            assert bool(line["fired"]) == (
                runs_env and "Range revision" not in line["err"] and "--sql with" not in line["err"]
            )
            assert [each for each in line["fired"] if each[0] == "revision_applied"] == [
                each for each in ours["fired"] if each[0] == "revision_applied"
            ]
    assert commands == sum(each[0] in KEYWORDS and len(each) > 1 for each in COMMANDS)
