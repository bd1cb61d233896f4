"""Why a command has failed: the sentence for an error that is the user's to mend, for a person and for ``--json``."""

from __future__ import annotations

from traceback import walk_tb
from typing import TYPE_CHECKING, Any

from alembic.util import CommandError
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.exc import DBAPIError

from ..errors import AldisError
from ..masking import masked_text
from ..orm.databases.urls import advice_on_parameters

if TYPE_CHECKING:
    from alembic.config import Config

__all__ = ["error_text", "sentence_of"]


def sentence_of(error: Exception, config: Config) -> str | None:
    """Return an error's sentence; ``None`` for one that is a fault in a program, whose traceback is needed."""
    if isinstance(error, CommandError | AldisError):
        if "script_location" in str(error) and "No" in str(error):
            return (
                f"there are no migrations here: neither {config.config_file_name} nor [tool.alembic] in pyproject.toml "
                "says where they are. Set them up: aldis init migrations --app PACKAGE.MODULE:BASE"
            )
        return str(error)
    connect = connect_call(error)
    if connect is None and not (isinstance(error, DBAPIError) and error.statement is None):
        return None
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    advice = "" if connect is None else advice_on_parameters(*connect)
    return f"the database cannot be reached: {error_text(cause)}{'. ' if advice else ''}{advice}"


def connect_call(error: Exception) -> tuple[str, dict[str, Any]] | None:
    """Return the driver and the parameters of the connect that an error comes from; ``None`` if it is of no connect.

    On SQLAlchemy 2.0, asyncpg's own errors come out of a connect as they are, and so do those of the network.
    """
    for frame, _ in walk_tb(error.__traceback__):
        if frame.f_code is DefaultDialect.connect.__code__:
            dialect: DefaultDialect = frame.f_locals["self"]
            return dialect.driver, frame.f_locals.get("cparams", {})
    return None


def error_text(error: BaseException) -> str:
    """Return an error's class and the first line of its text, without passwords."""
    first_line = masked_text(str(error)).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__
