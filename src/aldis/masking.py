"""URLs of databases and brokers without their passwords, for messages, logs and representations."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["masked_text", "masked_url"]

SECRET: Final = re.compile(r"(?i)([?&][^=&\s]*(?:pass|pwd|secret|token|key|credential)[^=&\s]*=)[^&\s]*")
"""A parameter of a URL that may be a secret, such as ``?password=`` or ``?ssl_keyfile=``."""

USER: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)(?:([^\s/@:]*):)?\S*@")
"""The user and the password of a URL, up to the last ``@``: a password may contain one. NATS takes a token alone."""

PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(\[[^\s\]]*\]|[^\s@:/?]*)(:[0-9]+)?([/?,]\S*)?")
"""A URL without a user; where the port is no number, it may be a password."""


def masked_url(url: str) -> str:
    """Return a URL with ``***`` in the place of its password; a text that is no URL is not shown at all.

    Args:
        url: The URL, or what was given as one.

    Example:
        >>> masked_url("nats://bob:secret@example.org:4222"), masked_url("nats://token@example.org")
        ('nats://bob:***@example.org:4222', 'nats://***@example.org')
        >>> masked_url("redis://:secret@example.org/0?password=secret")
        'redis://:***@example.org/0?password=***'
        >>> masked_url("postgresql//bob:secret@example.org")
        '(34 characters, not shown: they may hold a password)'
    """
    if USER.match(url) is None and PLAIN.fullmatch(url) is None:
        return f"({len(url)} characters, not shown: they may hold a password)"
    return masked_text(url)


def masked_text(text: str) -> str:
    """Return a text with ``***`` in the place of the passwords of the URLs in it.

    Example:
        >>> masked_text("cannot connect to amqp://bob:secret@example.org: refused")
        'cannot connect to amqp://bob:***@example.org: refused'
    """

    def without_password(found: re.Match[str]) -> str:
        scheme, user = found.groups()
        return f"{scheme}***@" if user is None else f"{scheme}{user}:***@"

    return SECRET.sub(r"\1***", USER.sub(without_password, text))
