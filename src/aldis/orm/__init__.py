"""What fires the lifecycle signals: models, querysets, and the database below them."""

from __future__ import annotations

import importlib

try:
    importlib.import_module("greenlet")  # SQLAlchemy's asyncio part needs it, and not every platform has it
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "aldis.Model, aldis.QuerySet and aldis.Database need SQLAlchemy's asyncio part, and that needs greenlet, which "
        "is not installed here: pip install 'sqlalchemy[asyncio]'. Signals without a database work without it.",
        name="greenlet",
    ) from error

from .database import Database
from .model import Model
from .queryset import QuerySet

__all__ = ["Database", "Model", "QuerySet"]
