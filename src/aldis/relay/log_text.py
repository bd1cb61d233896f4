"""Text of events and errors in a form that is safe to log: on one line, escaped, and of bounded length."""

from __future__ import annotations

from typing import Final

from sqlalchemy.exc import DBAPIError

from ..masking import masked_text

__all__ = ["error_line", "printable"]

LONGEST_ERROR: Final = 2000
"""Characters of an error that are kept: the headers of one message have to fit into a frame of AMQP, 128 KB."""


def printable(text: object, longest: int = 80) -> str:
    r"""Return a text on one line: control characters escaped, shortened where it is long.

    Event ids, keys and names may come from a broker, and so from anybody who can publish there. Raw, a line break in
    one of them would forge a line of the log.

    Args:
        text: The text; another object is written with ``str()``.
        longest: The characters that are shown of it.

    Example:
        >>> printable("3f.0"), printable("a\nCRITICAL forged"), printable("x" * 200, 5)
        ('3f.0', 'a\\nCRITICAL forged', 'xxxxx... (200 characters)')
    """
    written = str(text)
    shown = written[:longest]
    if not shown.isprintable():
        shown = "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in shown)
    return shown if len(written) <= longest else f"{shown}... ({len(written)} characters)"


def error_line(error: BaseException) -> str:
    """Return an exception on one line, as :func:`printable` writes it.

    Of a database's error, the driver's own text is taken: SQLAlchemy's adds the statement and its parameters, which are
    the values of rows. Passwords in URLs are masked.

    Example:
        >>> error_line(ValueError("no such lamp")), error_line(KeyError())
        ('ValueError: no such lamp', 'KeyError')
    """
    text = str(error.orig if isinstance(error, DBAPIError) else error)
    line = masked_text(f"{type(error).__name__}: {text[: 2 * LONGEST_ERROR]}").removesuffix(": ")
    return printable(line, LONGEST_ERROR)
