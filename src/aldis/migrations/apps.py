"""The declarative bases that ``app`` in ``alembic.ini`` names: their metadata, and the database of each."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from alembic.util import CommandError
from sqlalchemy import Connection, Engine, MetaData, create_engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from ..discovery import is_of, near_module
from ..masking import masked_url
from ..orm.database import Database
from ..orm.databases.urls import refuse_parameters, shown_url, why_no_engine
from ..suggestions import did_you_mean
from .ini_file import hidden_values

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import URL

__all__ = ["NAMING_CONVENTION", "App", "app_of", "split"]

NAMING_CONVENTION: Final = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""Names for constraints that have none, so that a later migration can drop them, on SQLite too.

The form is that of SQLAlchemy's manual ("Configuring Constraint Naming Conventions"), and it goes where models are
declared: ``metadata = MetaData(naming_convention=aldis.migrations.NAMING_CONVENTION)``.
"""


class App:
    """A declarative base, and where its tables are.

    Args:
        config: Alembic's configuration.
        name: Its name among several; empty for the only one.
        base: The base.
    """

    def __init__(self, config: Config, name: str, base: type[Any]) -> None:
        self.config = config
        self.name = name
        self.base = base

    @property
    def metadata(self) -> MetaData:
        """The tables."""
        found: MetaData = self.base.metadata
        return found

    @property
    def url(self) -> URL:
        """The URL: ``sqlalchemy.url`` of the section with the app's name, or of the only one; else the database's.

        Raises:
            CommandError: There is none, or it cannot be read.
        """
        section = self.name or self.config.config_ini_section
        with hidden_values(self.config):
            given = self.config.get_section(section, {}).get("sqlalchemy.url")
        if given:
            try:
                return make_url(given)
            except (ArgumentError, ValueError):
                # Not "from error": SQLAlchemy's message on such a text may have the password in it.
                raise CommandError(
                    f"sqlalchemy.url in [{section}] is {masked_url(given)}, which cannot be parsed as a URL."
                ) from None
        database = getattr(self.base, "database", None)
        if not isinstance(database, Database):
            raise CommandError(
                f"{self.base.__name__} has no database: set `database = aldis.Database(url)` on it, or sqlalchemy.url "
                f"in [{section}] of alembic.ini."
            )
        return database.engine.url

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of ``context.configure()`` that tell several databases apart; none for the only one."""
        if not self.name:
            return {}
        return {"upgrade_token": f"{self.name}_upgrades", "downgrade_token": f"{self.name}_downgrades"}

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of ``context.run_migrations()`` for the same."""
        return {"engine_name": self.name} if self.name else {}

    def connected(self, work: Callable[[Connection, App], object]) -> None:
        """Call a function with a connection of its own, or with the one in ``config.attributes["connection"]``.

        An engine is made for it: the pool of the app's own belongs to the app's event loop.

        Args:
            work: The function; it gets this app, too.

        Raises:
            CommandError: The driver is not installed.
            ConfigurationError: The URL has a parameter that is another client's.
        """
        given = self.config.attributes.get("connection")
        if given is not None and not self.name:
            work(given, self)
            return
        url = self.url
        try:
            dialect = url.get_dialect()
            engine = (create_async_engine if dialect.is_async else create_engine)(url, poolclass=NullPool)
        except (ImportError, NoSuchModuleError) as error:
            why, cause = why_no_engine(url, error)
            raise CommandError(f"the driver of {shown_url(url)} cannot be used: {why}") from cause
        if isinstance(engine, Engine):
            with engine.connect() as connection:
                work(connection, self)
            return
        refuse_parameters(engine.url)

        async def run() -> None:
            try:
                async with engine.connect() as connection:
                    await connection.run_sync(work, self)
            finally:
                await engine.dispose()

        asyncio.run(run())


def split(named: list[str]) -> list[tuple[str, str]]:
    """Return the name, empty for the only one, and the path of each app.

    Raises:
        CommandError: Of several one has no name, or one that another has, or that is no identifier.
    """
    found = []
    for each in named:
        name, separator, path = each.rpartition("=")
        if separator and not name.isidentifier():
            raise CommandError(
                f"app {each!r}: {name!r} has to be a name that Python takes, as it is a function's part."
            )
        found.append((name, path))
    names = [name for name, _ in found]
    if len(found) > 1 and ("" in names or len(set(names)) < len(names)):
        raise CommandError(f"several apps, {' '.join(named)}: give each a name of its own, main=package.module:Base.")
    return found


def app_of(path: str) -> type[Any]:
    """Return the declarative base at a path, with all modules of its package imported.

    Args:
        path: ``package.module:Base``; where that is a package, the modules in it are imported, so that their models
            are known.

    Raises:
        CommandError: There is none.
    """
    module_name, _, name = path.partition(":")
    if not module_name or not name or module_name.startswith("."):
        raise CommandError(f"app {path!r}: give package.module:Base, the module and the declarative base in it.")
    try:
        module = importlib.import_module(module_name)
        for found in pkgutil.walk_packages(getattr(module, "__path__", ()), f"{module_name}."):
            if not found.name.endswith(".__main__"):  # a program: importing it runs it
                importlib.import_module(found.name)
    except ModuleNotFoundError as error:
        if not is_of(error, module_name):
            raise
        raise CommandError(
            f"app {path!r}: there is no module {error.name!r}.{near_module(module_name)} It is looked "
            "for where the command is run, and in prepend_sys_path of alembic.ini."
        ) from error
    base: Any = module
    for part in name.split("."):
        if not hasattr(base, part):
            bases = [known for known, each in vars(module).items() if is_base(each)]
            raise CommandError(f"app {path!r}: there is no {name!r} in {module_name}.{did_you_mean(name, bases)}")
        base = getattr(base, part)
    if not is_base(base):
        raise CommandError(f"app {path!r}: {name!r} in {module_name} is {base!r}, no declarative base.")
    found_base: type[Any] = base
    return found_base


def is_base(value: object) -> bool:
    """Tell whether a value is a class that has tables: a declarative base, or a model."""
    return isinstance(value, type) and isinstance(getattr(value, "metadata", None), MetaData)
