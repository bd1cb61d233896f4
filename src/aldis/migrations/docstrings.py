"""Writes a text as the content of a docstring; the template of a revision calls it."""

from __future__ import annotations

__all__ = ["docstring_text"]


def docstring_text(text: object) -> str:
    r'''Return a text so that it may stand between three quotes in a Python file, and reads the same there.

    A revision's message is anybody's text. Raw, three quotes in it would end the docstring, and Python would run the
    text after them.

    Args:
        text: The text; another object is written with ``str()``.

    Example:
        >>> docstring_text("users have e-mail"), docstring_text('a """ and a \\')
        ('users have e-mail', 'a \\"\\"\\" and a \\\\')
    '''
    written = str(text).replace("\\", "\\\\")
    if '""' in written or written.endswith('"') or written.startswith('"'):
        written = written.replace('"', '\\"')
    return "".join(
        each if each == "\n" or each.isprintable() else each.encode("unicode_escape").decode("ascii")
        for each in written
    )
