"""The command line before a command runs: its help, its answers to unknown words, and pipes that close."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from aldis.cli import CommandLine, main
from aldis.cli.parser import ALIASES, EXAMPLES, GROUPS


def said(capsys, *arguments: str) -> tuple[object, str, str]:
    """Run the command line; return its exit code, and the text on each stream."""
    code: object = 0
    try:
        main(list(arguments))
    except SystemExit as end:
        code = end.code
    out, err = capsys.readouterr()
    return code, out, err


def test_without_a_command_it_prints_its_help(capsys) -> None:
    bare = said(capsys)
    assert bare == said(capsys, "--help")
    code, out, err = bare
    assert (code, err) == (0, "")
    assert out.startswith("usage: aldis [options] COMMAND [arguments]\n")
    assert re.search(r"^Begin:\n  init .*^Migrate:\n  migrate ", out, re.MULTILINE | re.DOTALL)


def test_help_lists_every_command_once() -> None:
    line = CommandLine("aldis")
    listed = [name for group in GROUPS.values() for name in group]
    assert sorted([*listed, *ALIASES]) == sorted(line.subparsers.choices), (
        "one that Alembic brings new belongs into a group too"
    )
    text = line.parser.format_help()
    for name in listed:
        assert len(re.findall(rf"^  {name} ", text, re.MULTILINE)) == 1, name


def test_makemigrations_is_migrate() -> None:
    line = CommandLine("aldis")
    options = ["-m", "users", "--null-field", "User.email"]
    assert vars(line.parser.parse_args(["makemigrations", *options])) == vars(
        line.parser.parse_args(["migrate", *options])
    )


def test_help_fits_the_terminal(monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, CommandLine("aldis").parser.format_help().splitlines())) <= 80


@pytest.mark.parametrize("name", EXAMPLES)
def test_help_of_a_command_explains_it_and_shows_an_example(capsys, name) -> None:
    code, out, _ = said(capsys, name, "--help")
    (line,) = [group[name] for group in GROUPS.values() if name in group]
    assert code == 0
    assert line in " ".join(out.split())
    assert f"Example: {EXAMPLES[name]}" in " ".join(out.split())


def test_unknown_command_is_answered_by_the_nearest(capsys) -> None:
    code, out, err = said(capsys, "inti", "migrations")
    assert (code, out) == (2, "")
    assert err.splitlines()[-1] == (
        "aldis: error: there is no command 'inti'. Did you mean 'init'? `aldis --help` lists them."
    )
    assert "stamp" not in err, "the commands are not all listed"


def test_unknown_action_of_the_relay_is_answered_by_the_nearest(capsys) -> None:
    code, _, err = said(capsys, "relay", "stauts")
    assert code == 2
    assert "there is no 'stauts' here. Did you mean 'status'? It takes run, receive, status, " in err


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_reader_that_goes_away_ends_the_command_without_a_word(unbuffered) -> None:
    import os

    process = subprocess.Popen(
        [sys.executable, "-m", "aldis", "signals"],
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate()
    assert (process.returncode, err) == (141, b"")


def test_colours_are_for_a_terminal(capsys, monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_COLOR", raising=False)
    code, _, err = said(capsys, "upgrade")
    assert code == -1
    assert err.startswith("FAILED: there are no migrations here: neither alembic.ini nor [tool.alembic]")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert "\x1b[1;31mFAILED: \x1b[0mthere are no" in said(capsys, "upgrade")[2]
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "FAILED: there are no" in (err := said(capsys, "upgrade")[2])
    assert "\x1b[1;31m" not in err


def test_upgrade_without_a_revision_goes_to_the_head() -> None:
    options = CommandLine("aldis").parser.parse_args(["upgrade"])
    assert options.revision == "head"
    assert CommandLine("aldis").parser.parse_args(["upgrade", "+1"]).revision == "+1"


def test_interrupt_is_said_in_a_word(capsys, monkeypatch) -> None:
    def interrupted(config) -> None:
        raise KeyboardInterrupt

    line = CommandLine("aldis")
    line.subparsers.choices["heads"].set_defaults(cmd=(interrupted, [], []))
    with pytest.raises(SystemExit) as end:
        line.main(["heads"])
    assert end.value.code == 130
    assert capsys.readouterr().err == "FAILED: interrupted.\n"
