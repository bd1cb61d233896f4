"""Alembic's commands with signals: ``pre_migrate`` before, ``post_migrate`` after, and columns that are filled.

Example:
    >>> from aldis import migrations
    >>> from aldis.signals import post_migrate
    >>> @post_migrate.connect_via("upgrade")
    ... async def seed(sender, config, revision): ...
    >>> from alembic.config import Config
    >>> migrations.upgrade(Config("alembic.ini"), "head")  # doctest: +SKIP
"""

from __future__ import annotations

from . import operations as _operations  # noqa: F401 - op.add_column_once and its siblings
from .alembic_commands import adowngrade, amigrate, arevision, aupgrade, downgrade, migrate, revision, upgrade
from .apps import NAMING_CONVENTION, App
from .environment import configure
from .fill import apply_default_force_nullable_fields
from .project import apps

__all__ = [
    "NAMING_CONVENTION",
    "App",
    "adowngrade",
    "amigrate",
    "apply_default_force_nullable_fields",
    "apps",
    "arevision",
    "aupgrade",
    "configure",
    "downgrade",
    "migrate",
    "revision",
    "upgrade",
]
