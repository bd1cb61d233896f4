"""A revision's message is the content of a string, whatever characters are in it."""

from __future__ import annotations

import ast
import io
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from aldis import migrations
from aldis.migrations.docstrings import docstring_text

MESSAGES = [
    "users have e-mail",
    'say "hello"',
    '"quoted"',
    'ends with a quote "',
    "ends with a backslash \\",
    'a """ in it',
    '"""\nimport pathlib; pathlib.Path("RUN").touch()\n"""',
    "\\N{BULLET} \\x41 \\u0041 \\",
    "several\nlines\r\nand\ttabs",
    "nul \0, escape \x1b, separator \u2028, byte order \ufeff",
    "a lone surrogate \udcff",
    'ends with an escaped quote \\"',
    "${1 + 1} <% raise ValueError %> % if x:",
    "Zoë's 🚀",
    "",
]


@pytest.mark.parametrize("message", MESSAGES)
def test_docstring_has_the_text_as_its_value(message) -> None:
    source = f'"""{docstring_text(message)}\n"""\n'
    source.encode()
    assert ast.get_docstring(ast.parse(source), clean=False) == f"{message}\n"


@pytest.mark.parametrize("message", [each for each in MESSAGES if "\udcff" not in each])  # Alembic cannot encode that
def test_revision_file_has_the_message_and_runs_nothing_of_it(tmp_path, monkeypatch, message) -> None:
    monkeypatch.chdir(tmp_path)
    config = Config(tmp_path / "alembic.ini", stdout=io.StringIO())
    template = Path(migrations.__file__).parent / "templates/aldis"
    command.init(config, str(tmp_path / "scripts"), str(template))
    config.set_main_option("script_location", str(tmp_path / "scripts"))
    written = migrations.revision(config, message)
    assert written is not None
    tree = ast.parse(Path(written.path).read_text("utf-8"))
    (docstring, *statements) = tree.body
    assert docstring.value.value.startswith(f"{message}\n\nRevision ID: {written.revision}\nRevises: \n")
    assert [type(each).__name__ for each in statements] == [
        "ImportFrom",
        "Import",
        "ImportFrom",
        *["AnnAssign"] * 4,
        *["FunctionDef"] * 2,
    ]
    (found,) = ScriptDirectory.from_config(config).walk_revisions()
    assert found.revision == written.revision
    assert not (tmp_path / "RUN").exists()
