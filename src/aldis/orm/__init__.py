"""What fires the lifecycle signals: models, querysets, and the database below them."""

from __future__ import annotations

from .database import Database
from .model import Model
from .queryset import QuerySet

__all__ = ["Database", "Model", "QuerySet"]
