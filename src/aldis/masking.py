"""URLs of databases and brokers without their passwords, for messages, logs and representations."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["masked_text", "masked_url"]

PARAMETER: Final = r"([?&]([^=&?\s]{1,100})=)[^&\s]*"
"""A parameter of a URL's query. The patterns are compiled when they are first used: hardly a program masks a URL."""

SECRETS: Final = ("pass", "pwd", "secret", "token", "key", "credential")
"""The parts of a parameter's name that tell of a secret, such as ``?password=`` or ``?ssl_keyfile=``."""

USER: Final = r"(?<![A-Za-z0-9+.-])([A-Za-z][A-Za-z0-9+.-]{0,40}://)(?:([^\s/@:]*):)?\S*@"
"""The user and the password of a URL, up to the last ``@``: a password may contain one. NATS takes a token alone.

A scheme begins at one place of a word only: to look for it at each letter takes a minute for a long word.
"""

PLAIN: Final = r"[A-Za-z][A-Za-z0-9+.-]*://(\[[^\s\]]*\]|[^\s@:/?]*)(:[0-9]+)?([/?,]\S*)?"
"""A URL without a user; where the port is no number, it may be a password."""


def masked_url(url: str) -> str:
    """Return a URL with ``***`` in the place of its password; a text that is no URL is not shown at all.

    Args:
        url: The URL, or the text that was given as one.

    Example:
        >>> masked_url("nats://bob:secret@example.org:4222"), masked_url("nats://token@example.org")
        ('nats://bob:***@example.org:4222', 'nats://***@example.org')
        >>> masked_url("redis://:secret@example.org/0?password=secret")
        'redis://:***@example.org/0?password=***'
        >>> masked_url("postgresql//bob:secret@example.org")
        '(34 characters, not shown: they may hold a password)'
    """
    if not url:
        return "an empty text"
    if re.match(USER, url) is None and re.fullmatch(PLAIN, url) is None:
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

    def without_secret(found: re.Match[str]) -> str:
        name = found[2].lower()
        return f"{found[1]}***" if any(each in name for each in SECRETS) else found[0]

    return re.sub(PARAMETER, without_secret, re.sub(USER, without_password, text))
