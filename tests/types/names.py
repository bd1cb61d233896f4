"""The names of the package for type checkers: the public ones have their types, a misspelt one is an error.

``make lint`` checks it, as it does receivers.py. Nothing is run.
"""

from __future__ import annotations

from typing import assert_type

import aldis

aldis.Modell  # type: ignore[attr-defined]  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue]

misspelt: aldis.Bach  # type: ignore[name-defined]  # pyright: ignore[reportAttributeAccessIssue]


def first_of(batch: aldis.Batch) -> object:
    return batch[0]["instance"]


def message_of(error: aldis.AldisError) -> str:
    return str(error)


try:
    aldis.Database("sqlite+aiosqlite://")
except (aldis.ConfigurationError, aldis.SignalError) as error:
    message_of(error)

assert_type(aldis.__version__, str)
assert_type(aldis.slow_receiver_seconds, float | None)
aldis.slow_receiver_seconds = 0.5
aldis.slow_receiver_seconds = "1"  # type: ignore[assignment]  # pyright does not look at it
