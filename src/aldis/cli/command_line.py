"""Alembic's command line, with our commands in the place of its own, and a few more."""

from __future__ import annotations

import inspect
from argparse import Namespace
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from alembic import __version__ as alembic_version
from alembic import config as alembic_config
from alembic import util

from .._version import __version__
from ..errors import AldisError
from . import commands
from .relaying import ACTIONS

if TYPE_CHECKING:
    from alembic.config import CommandFunction, Config

__all__ = ["CommandLine", "main"]

OURS: dict[str, Callable[..., Any]] = {each.__name__: each for each in commands.ALL}

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
            "help": "The declarative base of the models; NAME=PACKAGE.MODULE:BASE for several",
        },
    ),
    "broker": ("--broker", {"metavar": "URL", "help": "nats://, amqp://, redis:// or kafka://; without, no broker"}),
    "receivers": (
        "--receivers",
        {
            "action": "append",
            "metavar": "PACKAGE.MODULE",
            "help": "A module with @relay.receiver",
        },
    ),
    "receiver": ("--receiver", {"metavar": "NAME", "help": "The receiver; all by default"}),
    "metrics": ("--metrics", {"metavar": "PORT", "help": "Serve metrics for Prometheus on this port of 127.0.0.1"}),
}
"""The flags that Alembic does not have, by parameter."""


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

    def register_command(self, fn: CommandFunction) -> None:
        """Register a command; one of ours in the place of Alembic's."""
        ours = OURS.get(fn.__name__, fn)
        super().register_command(cast("CommandFunction", ours))
        parser = self.subparsers.choices[fn.__name__]
        for parameter in inspect.signature(ours).parameters:
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

    def run_cmd(self, config: Config, options: Namespace) -> None:
        """Run a command; our errors end as Alembic's do, with a sentence."""
        if getattr(options, "json", False):
            options.quiet = True  # standard output is for the JSON
        try:
            super().run_cmd(config, options)
        except AldisError as error:
            if options.raiseerr:
                raise
            util.err(str(error), **config.messaging_opts)


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
