"""The parser of the command line: help that groups the commands, and errors that name the nearest choice."""

from __future__ import annotations

import shutil
import textwrap
from argparse import SUPPRESS, Action, ArgumentError, ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Mapping
from typing import Any, Final

from ..suggestions import did_you_mean

__all__ = ["ALIASES", "EXAMPLES", "GROUPS", "Parser", "group_commands"]

GROUPS: Final[dict[str, dict[str, str]]] = {
    "Begin": {
        "init": "Set up migrations: alembic.ini, and a folder for the revisions.",
        "signals": "List signals, their receivers, and where each was connected.",
    },
    "Migrate": {
        "migrate": "Write a revision of the differences between models and database (makemigrations too).",
        "upgrade": "Apply revisions: all, or up to the one that is named.",
        "downgrade": "Take revisions back, down to the one that is named.",
        "check": "Fail if models and database differ: for CI.",
        "current": "Show the revision that the database is at.",
        "history": "List the revisions.",
    },
    "Relay events": {
        "relay": "Pass events on to other processes, receive them, see how it is going.",
    },
    "Revisions, one by one": {
        "revision": "Write an empty revision, to fill by hand.",
        "edit": "Open a revision in $EDITOR.",
        "show": "Show a revision.",
        "heads": "Show the newest revision of each branch.",
        "branches": "Show the revisions at which branches begin.",
        "merge": "Join branches by a new revision.",
        "stamp": "Record a revision as applied without running it.",
        "ensure_version": "Create the table that records the revision.",
        "list_templates": "List the templates of init.",
    },
    "This machine": {
        "bench": "Measure the time that a send takes.",
    },
}
"""The commands as people look for them, each with its line; one that is not here is listed at the end."""

ALIASES: Final = {"makemigrations": "migrate"}
"""Other names of commands, as Django and Edgy have them."""

EXAMPLES: Final[dict[str, str]] = {
    "init": "aldis init migrations --app shop.models:Base",
    "signals": "aldis signals --app shop.models:Base",
    "migrate": "aldis migrate -m 'users have mail addresses'",
    "upgrade": "aldis upgrade",
    "downgrade": "aldis downgrade -1",
    "check": "aldis check",
    "relay": "aldis relay run --app shop.models:Base --broker nats://localhost",
}
"""An example of each command that has one, shown below its help."""


class Parser(ArgumentParser):
    """A parser that answers an unknown command or choice with the nearest one, and shows its usage for nothing else."""

    def _check_value(self, action: Action, value: Any) -> None:
        """Refuse a value that is none of the choices; without this method argparse lists them all."""
        choices = list(action.choices or ())
        if choices and value not in choices:
            if isinstance(action.choices, Mapping):  # the commands
                raise ArgumentError(
                    None,
                    f"there is no command {value!r}.{did_you_mean(value, choices)} `{self.prog} --help` lists them.",
                )
            raise ArgumentError(
                None, f"there is no {value!r} here.{did_you_mean(value, choices)} It takes {', '.join(choices)}."
            )


def group_commands(parser: ArgumentParser, commands: Any) -> None:
    """Let a parser's help show its commands in groups.

    Args:
        parser: The parser.
        commands: The result of ``add_subparsers()``.
    """
    parser.__class__ = Parser
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.usage = "%(prog)s [options] COMMAND [arguments]"
    known = {name for group in GROUPS.values() for name in group}
    lines = {each.dest: each.help or "" for each in commands._choices_actions}
    others = {name: lines[name] for name in lines if name not in known}
    width = max(map(len, lines)) + 4
    columns = max(shutil.get_terminal_size().columns - 2, 60)
    text = ["Lifecycle signals for SQLAlchemy models, and migrations that fire them."]
    for title, group in {**GROUPS, **({"Others": others} if others else {})}.items():
        text += ["", f"{title}:"]
        for name, line in group.items():
            first = f"  {name}".ljust(width)
            text += textwrap.wrap(line, columns, initial_indent=first, subsequent_indent=" " * width)
    parser.description = "\n".join(text)
    parser.epilog = "`aldis COMMAND --help` explains a command and shows its options."
    commands.help = SUPPRESS  # the groups above list them
    for name, each in commands.choices.items():
        each.__class__ = Parser
        each.description = next((group[name] for group in GROUPS.values() if name in group), lines.get(name))
        if name in EXAMPLES:
            each.epilog = f"Example: {EXAMPLES[name]}"
