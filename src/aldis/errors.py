"""The errors that aldis raises; all derive from :class:`AldisError`."""

from __future__ import annotations

__all__ = [
    "AldisError",
    "ConfigurationError",
    "MultipleObjectsReturned",
    "ObjectNotFound",
    "SignalError",
    "SkipOperation",
]


class AldisError(Exception):
    """What every error of aldis derives from."""


class SignalError(AldisError, TypeError):
    """A receiver, a sender or a signal that cannot serve as one.

    It is a :exc:`TypeError` too, which is what blinker's users catch.
    """


class SkipOperation(AldisError):
    """Raised by a ``pre_*`` receiver: the SQL is skipped, the ``post_*`` signal says so.

    Example:
        >>> from aldis import SkipOperation
        >>> async def keep_admins(sender, instance, **kwargs):
        ...     if instance.is_admin:
        ...         raise SkipOperation("admins stay")
    """


class ObjectNotFound(AldisError, LookupError):
    """A query that had to find a row found none."""


class MultipleObjectsReturned(AldisError, LookupError):
    """A query that had to find one row found several."""


class ConfigurationError(AldisError):
    """A model or a database that is not set up for what was asked of it."""
