"""Alembic's command line, with our commands in the place of its own, and a few more."""

from __future__ import annotations

import inspect
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, cast

from alembic import __version__ as alembic_version
from alembic import config as alembic_config

from .._version import __version__
from ..migrations.ini_file import hidden_values
from . import commands
from .parser import ALIASES, group_commands
from .reasons import error_text, sentence_of
from .relaying import ACTIONS

if TYPE_CHECKING:
    from alembic.config import CommandFunction, Config

__all__ = ["CommandLine", "main"]

OURS: dict[str, Callable[..., Any]] = {each.__name__: each for each in commands.ALL}

FAILED = -1
"""The exit code of a command that has failed: Alembic's, 255 for a shell."""

INTERRUPTED = 130
"""The exit code after Ctrl+C: a shell's."""

PIPE_CLOSED = 141
"""The exit code where the reader of the output has gone away: a shell's, of a program that SIGPIPE ended."""

FLAGS: dict[str, tuple[str, dict[str, Any]]] = {
    "json": ("--json", {"action": "store_true", "help": "Write JSON, an object a line, to standard output"}),
    "null_fields": (
        "--null-field",
        {
            "action": "append",
            "metavar": "MODEL.FIELD",
            "help": "Add this NOT NULL column nullable, fill it row by row through the model, then make it NOT NULL; "
            "':FIELD' for every model that has it",
        },
    ),
    "app": (
        "--app",
        {
            "action": "append",
            "metavar": "PACKAGE.MODULE:BASE",
            "help": "The declarative base of the models; several: NAME=PACKAGE.MODULE:BASE each",
        },
    ),
    "broker": ("--broker", {"metavar": "URL", "help": "nats://, amqp://, redis:// or kafka://; without it, no broker"}),
    "receivers": (
        "--receivers",
        {
            "action": "append",
            "metavar": "PACKAGE.MODULE",
            "help": "A module that connects receivers; without it, those called `receivers` beside the models",
        },
    ),
    "receiver": ("--receiver", {"metavar": "NAME", "help": "The receiver; all by default"}),
    "graph": (
        "--graph",
        {
            "nargs": "?",
            "const": "-",
            "metavar": "FILE",
            "help": "Draw models and receivers: Mermaid, to standard output or a file; FILE.svg by Graphviz",
        },
    ),
    "watch": (
        "--watch",
        {
            "metavar": "COMMAND",
            "help": "Run this command, which runs pytest, and draw the models that receivers wrote meanwhile",
        },
    ),
    "metrics": ("--metrics", {"metavar": "PORT", "help": "Serve metrics for Prometheus on this port of 127.0.0.1"}),
}
"""The flags that Alembic does not have, by parameter."""

WITHOUT_PROJECT = {"bench", "init", "list_templates"}
"""The commands that need no models; all others take ``--app`` and ``--receivers``."""


class CommandLine(alembic_config.CommandLine):
    """``aldis``: every command of ``alembic``'s, and its flags.

    Example:
        >>> from aldis.cli import CommandLine
        >>> CommandLine("aldis").main(["upgrade", "head"])  # doctest: +SKIP
    """

    def __init__(self, prog: str | None = None) -> None:
        super().__init__(prog)
        shown: Any = self.parser._option_string_actions["--version"]
        shown.version = f"aldis {__version__}, Alembic {alembic_version}"
        for name, function in OURS.items():
            if name not in self.subparsers.choices:
                self.register_command(cast("CommandFunction", function))
        group_commands(self.parser, self.subparsers)
        for alias, name in ALIASES.items():
            self.subparsers.choices[alias] = self.subparsers.choices[name]

    def register_command(self, fn: CommandFunction) -> None:
        """Register a command; one of ours in the place of Alembic's."""
        ours = OURS.get(fn.__name__, fn)
        super().register_command(cast("CommandFunction", ours))
        parser = self.subparsers.choices[fn.__name__]
        parameters = list(inspect.signature(ours).parameters)
        if fn.__name__ not in WITHOUT_PROJECT:
            parameters += ["app", "receivers"]
        for parameter in parameters:
            if parameter in FLAGS:
                flag, options = FLAGS[parameter]
                parser.add_argument(flag, dest=parameter, **options)
        if fn.__name__ == "relay":
            actions = parser._positionals._group_actions[0]
            actions.choices = list(ACTIONS)
            actions.help = (
                "run: pass events on; receive: call receivers with what a broker has; status: how it is going; dead: "
                "the events that were given up; retry: try them again; forget: a receiver that is no more"
            )
        if fn.__name__ == "init":
            parser.set_defaults(template=commands.TEMPLATE)
        if fn.__name__ == "upgrade":
            (revision,) = parser._positionals._group_actions
            revision.nargs, revision.default, revision.help = "?", "head", "the revision to go to; head by default"

    def main(self, argv: Sequence[str] | None = None) -> None:
        """Run a command; without one, print the help.

        Args:
            argv: The arguments; those of the process by default.

        Raises:
            SystemExit: The command has failed, its arguments are wrong, or the reader of its output has gone away.
        """
        arguments = list(sys.argv[1:] if argv is None else argv)
        try:
            if arguments:
                super().main(arguments)
            else:
                self.parser.print_help()
            sys.stdout.flush()
        except BrokenPipeError:
            # Python flushes standard output once more when it ends, and would complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(PIPE_CLOSED)

    def run_cmd(self, config: Config, options: Namespace) -> None:
        """Run a command; an error that is the user's to mend ends it with a sentence on standard error.

        Alembic writes it to standard output, and logs it besides. With ``--json`` every error is an object there.
        """
        json = bool(getattr(options, "json", False))
        if json:
            options.quiet = True  # standard output is for the JSON
        function, positional, keywords = options.cmd
        try:
            with hidden_values(config):
                function(
                    config,
                    *(getattr(options, name, None) for name in positional),
                    **{name: getattr(options, name, None) for name in keywords},
                )
        except BrokenPipeError:
            raise
        except Exception as error:
            sentence = sentence_of(error, config)
            if json:
                commands.write_json(error=sentence or error_text(error))
            if options.raiseerr or sentence is None:
                raise
            fail(sentence)
        except KeyboardInterrupt:
            if json:
                commands.write_json(error="interrupted.")
            if options.raiseerr:
                raise
            fail("interrupted.", INTERRUPTED)


def fail(sentence: str, code: int = FAILED) -> NoReturn:
    """Write why a command has failed to standard error, and end."""
    shown = "FAILED: "
    if sys.stderr.isatty() and "NO_COLOR" not in os.environ:
        shown = f"\x1b[1;31m{shown}\x1b[0m"
    print(f"{shown}{sentence}", file=sys.stderr)  # noqa: T201
    sys.exit(code)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line.

    Args:
        argv: The arguments; those of the process by default.

    Raises:
        SystemExit: The command has failed, or its arguments are wrong.

    Example:
        >>> from aldis.cli import main
        >>> main(["heads"])  # doctest: +SKIP
    """
    CommandLine("aldis").main(argv)
