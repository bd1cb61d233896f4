"""The errors that aldis raises; all derive from :class:`AldisError`."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "AfterCommitError",
    "AldisError",
    "AlreadyStoredError",
    "ClosedDatabaseError",
    "ConfigurationError",
    "EndlessFlushError",
    "MultipleObjectsReturned",
    "NotSavedError",
    "ObjectNotFound",
    "RefusedError",
    "RowMismatchError",
    "SignalError",
    "SkipOperation",
    "TransactionEndedError",
    "TurnTimeoutError",
    "UnknownAttributeError",
]


class AldisError(Exception):
    """The base class of every error of aldis."""


class SignalError(AldisError, TypeError):
    """A receiver, a sender or a signal that cannot serve as one.

    It is a :exc:`TypeError` too, the error that blinker's users catch.
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


class UnknownAttributeError(AldisError, TypeError):
    """A name that is no attribute of the class, or no column where a column is needed.

    It is a :exc:`TypeError` too, which SQLAlchemy's constructors raise for such a name.

    Example:
        >>> import aldis  # Base and User are those of Model's own example
        >>> try:
        ...     User.query.filter(nam="Ada")
        ... except aldis.UnknownAttributeError as error:
        ...     print(error)
        'nam' is no attribute of User. Did you mean 'name'?
    """


class ConfigurationError(AldisError):
    """A model or a database that is not set up for a call: no database, an unmapped class, an unreadable URL."""


class NotSavedError(ConfigurationError):
    """A call that needs a stored instance got one that was never saved, or was deleted."""


class AlreadyStoredError(ConfigurationError):
    """A bulk insert got an instance that is stored already."""


class ClosedDatabaseError(ConfigurationError):
    """The database was closed; ``async with database:`` opens it again."""


class EndlessFlushError(ConfigurationError):
    """Receivers give a session more to write after each flush, and never stop."""


class RefusedError(ConfigurationError):
    """A call that is not allowed: a write in AUTOCOMMIT mode, or a statement that would pass receivers by.

    Strict mode refuses such statements. So do receivers with ``rows=True`` that cannot be told of each row.
    """


class TransactionEndedError(AldisError):
    """The transaction that a call belonged to is over: it was rolled back, or committed on its connection.

    The rows that the call was to write are not written.
    """


class TurnTimeoutError(AldisError):
    """A call waited for its turn in a transaction while the operation under way sent no statement.

    The most frequent cause is a receiver that waits for a task which waits for the receiver's own operation.
    """


class AfterCommitError(AldisError, ExceptionGroup[Exception]):
    """Receivers that waited for the commit (``after_commit=True``) raised. The rows are committed.

    Example:
        >>> import aldis
        >>> error = aldis.AfterCommitError("the rows are committed, one receiver raised", [ValueError("no mail")])
        >>> error.exceptions
        (ValueError('no mail'),)
    """

    def derive(self, excs: Sequence[Exception]) -> AfterCommitError:  # type: ignore[override]
        """Return a group of some of the errors."""
        return AfterCommitError(self.message, excs)


class RowMismatchError(AldisError):
    """The database did not store a row as it was given to it, or did not say which key it has.

    A trigger or a rule passed over the row, or gave it a key that nobody can tell; or the database does not find a row
    again by the key that it returned. The operation is undone.
    """
