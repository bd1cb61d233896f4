"""``alembic.ini`` or ``pyproject.toml`` that cannot be read: a sentence without values, one of which is a password.

``configparser`` puts the value, or the line, into its messages.
"""

from __future__ import annotations

import configparser
from collections.abc import Iterator
from contextlib import contextmanager
from traceback import walk_tb
from typing import TYPE_CHECKING, Final

from alembic import config as alembic_config
from alembic.util import CommandError

from ..discovery import Project

if TYPE_CHECKING:
    from alembic.config import Config

__all__ = ["hidden_values"]

NOT_SHOWN: Final = "It is not shown: it may hold a password."

UNREADABLE: Final = (configparser.ParsingError, configparser.DuplicateSectionError, configparser.DuplicateOptionError)
"""The errors of ``configparser`` that name the file."""


@contextmanager
def hidden_values(config: Config) -> Iterator[None]:
    """Raise ``configparser``'s errors, for a block, as Alembic's, without the value or the line that is wrong.

    Args:
        config: Alembic's configuration, which is read in the block.

    Raises:
        CommandError: The file cannot be read, or an option has a percent sign that is not doubled.
        ConfigurationError: Alembic has met a ``pyproject.toml`` that cannot be read.
    """
    try:
        yield
    except (configparser.Error, ValueError, OSError, AttributeError) as error:
        if is_of_toml(error):
            Project.read(config.toml_file_name)
        sentence = sentence_of(error, config)
        if sentence is None:
            raise
        # Not "from error", whose message has the value.
        raise CommandError(sentence) from None


def sentence_of(error: Exception, config: Config) -> str | None:
    """Return the sentence for an error; ``None`` if it is not of Alembic's configuration, but of another file's."""
    file = config.config_file_name or "the configuration"
    if isinstance(error, configparser.InterpolationError) and config.file_config.has_option(
        error.section, error.option
    ):
        return (
            f"{error.option} in [{error.section}] of {file} has a % that is no part of a name such as %(here)s: write "
            f"%% for a % of the value, as in a password. {NOT_SHOWN}"
        )
    if isinstance(error, UNREADABLE) and str(error.source) == str(file):
        return f"{file} cannot be read: {wrong_line(error)}"
    modules = modules_of(error)
    if isinstance(error, UnicodeDecodeError) and {configparser.__name__, alembic_config.__name__} <= {*modules}:
        return f"{file} cannot be read: it is no UTF-8, at byte {error.start}."
    if isinstance(error, ValueError) and is_of_setting(error):
        return (
            f"an option of {file} was set to a value with a %: write %% for it, as in "
            f"config.set_main_option('sqlalchemy.url', url.replace('%', '%%')). {NOT_SHOWN}"
        )
    return None


def wrong_line(
    error: configparser.ParsingError | configparser.DuplicateSectionError | configparser.DuplicateOptionError,
) -> str:
    """Return a sentence for the line that is wrong."""
    if isinstance(error, configparser.DuplicateOptionError):
        return f"line {error.lineno} sets {error.option} in [{error.section}] a second time."
    if isinstance(error, configparser.DuplicateSectionError):
        return f"line {error.lineno} begins [{error.section}] a second time."
    line = error.lineno if isinstance(error, configparser.MissingSectionHeaderError) else error.errors[0][0]
    return f"line {line} is no [section], no option = value, and no comment. {NOT_SHOWN}"


def is_of_toml(error: Exception) -> bool:
    """Tell whether Alembic raised an error while it read its ``pyproject.toml``."""
    return any(
        frame.f_globals.get("__name__") == alembic_config.__name__ and "toml" in frame.f_code.co_name
        for frame, _ in walk_tb(error.__traceback__)
    )


def is_of_setting(error: ValueError) -> bool:
    """Tell whether ``configparser`` raised an error, at a value that Alembic's configuration was given."""
    modules = modules_of(error)
    return modules[-1:] == [configparser.__name__] and alembic_config.__name__ in modules


def modules_of(error: Exception) -> list[str]:
    """Return the names of the modules that an error has come through, the innermost last."""
    return [frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__)]
