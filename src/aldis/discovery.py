"""Imports the modules in which an application connects its receivers.

A receiver is connected when its module is imported. Where nobody imports it, nobody hears, and nothing says so.
"""

from __future__ import annotations

import importlib
import os
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules, walk_packages
from typing import Any, Final

from .errors import ConfigurationError
from .suggestions import did_you_mean

__all__ = [
    "GROUP",
    "Project",
    "autodiscover",
    "import_receivers",
    "load_plugins",
    "near_module",
    "offered_plugins",
    "receivers_beside",
]

NAME: Final = "receivers"
"""The name of the modules that are looked for."""

GROUP: Final = "aldis.receivers"
"""The group of entry points by which an installed package offers a module with receivers."""

KEYS: Final = ("app", "receivers", "plugins")
"""The keys of ``[tool.aldis]``."""


def autodiscover(*packages: str, plugins: Iterable[str] = ()) -> list[str]:
    """Import the modules named ``receivers`` of packages, so that the receivers in them are connected.

    Call it once, where the application starts. The ``aldis`` command does the same by itself.

    Args:
        packages: The names of the packages. ``"shop"`` stands for ``shop.receivers``, ``shop.orders.receivers`` and so
            on: each module called ``receivers`` in the package and in those below it. Where ``receivers`` is a package,
            its modules are imported too.
        plugins: The names of plugins whose receivers are wanted: entry points of the group ``aldis.receivers``, which
            installed packages declare.

    Returns:
        The names of the modules, in the order of their import.

    Raises:
        ConfigurationError: A package or a plugin is not there, or none of the packages has such a module.

    Example:
        >>> import aldis
        >>> aldis.autodiscover("shop")  # doctest: +SKIP
        ['shop.receivers', 'shop.orders.receivers']
    """
    found: list[str] = []
    for package in packages:
        try:
            importlib.import_module(package)
        except ModuleNotFoundError as error:
            if not is_of(error, package):
                raise
            raise ConfigurationError(
                f"autodiscover({package!r}): there is no module {error.name!r}.{near_module(package)}"
            ) from error
        found += import_receivers(receivers_beside(package))
    if packages and not found:
        raise ConfigurationError(
            f"autodiscover({', '.join(map(repr, packages))}): no module is called {NAME!r} there. Put the receivers "
            f"into {packages[0]}.{NAME}, or import their module."
        )
    return found + [module for _, module in load_plugins(plugins)]


def receivers_beside(module: str) -> list[str]:
    """Return the names of the modules called ``receivers`` in the package of a module, and in the packages below it.

    Args:
        module: The name of a module, or of a package, that is imported. ``models`` alone, in no package, has
            ``receivers`` beside it if that is in the same folder.
    """
    imported = importlib.import_module(module)
    if hasattr(imported, "__path__"):
        return list(named_receivers(module, imported.__path__))
    package = imported.__package__
    if package:
        return list(named_receivers(package, importlib.import_module(package).__path__))
    file = getattr(imported, "__file__", None)
    spec = find_spec(NAME)
    if file is None or spec is None or spec.origin is None:
        return []
    places = {Path(spec.origin).parent, Path(spec.origin).parent.parent if spec.submodule_search_locations else None}
    return [NAME] if Path(file).parent in places else []


def named_receivers(package: str, path: Iterable[str]) -> Iterator[str]:
    """Yield the modules called ``receivers``, without importing anything."""
    below = sorted(iter_modules(path), key=lambda each: (each.name != NAME, each.name))
    for each in below:
        name = f"{package}.{each.name}"
        if each.name == NAME:
            yield name
        elif each.ispkg:
            places = [os.path.join(place, each.name) for place in path]  # noqa: PTH118 - a path's entries are strings
            yield from named_receivers(name, [place for place in places if os.path.isdir(place)])  # noqa: PTH112


def import_receivers(modules: Iterable[str]) -> list[str]:
    """Import modules; of a package, the modules in it too.

    Args:
        modules: Their names.

    Returns:
        The names of all that were imported.
    """
    found = []
    for name in modules:
        module = importlib.import_module(name)
        found.append(name)
        for each in walk_packages(getattr(module, "__path__", ()), f"{name}."):
            if not each.name.endswith(".__main__"):  # a program: importing it runs it
                importlib.import_module(each.name)
                found.append(each.name)
    return found


def offered_plugins() -> list[EntryPoint]:
    """Return the entry points of installed packages that offer receivers, by name; none is loaded."""
    return sorted(entry_points(group=GROUP), key=lambda each: each.name)


def load_plugins(names: Iterable[str]) -> list[tuple[str, str]]:
    """Import the modules of plugins.

    Args:
        names: The plugins' names, as ``[tool.aldis] plugins`` has them.

    Returns:
        Pairs of a plugin's name and the module that was imported.

    Raises:
        ConfigurationError: No installed package offers one of that name.
    """
    wanted = list(names)
    offered = {each.name: each for each in offered_plugins()} if wanted else {}
    found = []
    for name in wanted:
        if name not in offered:
            known = f"There are: {', '.join(offered)}." if offered else "No installed package offers any."
            raise ConfigurationError(
                f"there is no plugin {name!r} among the entry points {GROUP!r}.{did_you_mean(name, offered)} {known}"
            )
        offered[name].load()
        found.append((name, offered[name].module))
    return found


@dataclass(frozen=True)
class Project:
    """The table ``[tool.aldis]`` of a project's ``pyproject.toml``."""

    app: Sequence[str] = ()
    """The declarative bases, ``package.module:Base``; of several, ``name=package.module:Base``."""
    receivers: Sequence[str] | None = None
    """The modules with receivers; ``None``: those named ``receivers`` beside the app's module."""
    plugins: Sequence[str] = field(default=())
    """The names of the plugins whose receivers are loaded."""

    @classmethod
    def read(cls, file: str | os.PathLike[str] | None) -> Project:
        """Read a ``pyproject.toml``; where there is none, or no such table, all is empty.

        Args:
            file: The file.

        Raises:
            ConfigurationError: The file cannot be read, a key is not known, or its value is not of its type.

        Example:
            >>> Project.read("no-such-folder/pyproject.toml").app
            ()
        """
        if file is None or not Path(file).exists():
            return cls()
        try:
            table = tomllib.loads(Path(file).read_text("utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigurationError(f"{file} cannot be read: {error}") from error
        for name in ("tool", "aldis"):
            table = table.get(name, {})
            if not isinstance(table, dict):
                raise ConfigurationError(f"{file}: {name} is {table!r}; it is a table, [tool.aldis].")
        for key in table:
            if key not in KEYS:
                raise ConfigurationError(
                    f"{file}: [tool.aldis] has {key!r}.{did_you_mean(key, KEYS)} It takes {', '.join(KEYS)}."
                )
        app = table.get("app", ())
        if isinstance(app, dict):
            app = [f"{name}={path}" for name, path in app.items()]
        return cls(
            texts(file, "app", app),
            texts(file, "receivers", table["receivers"]) if "receivers" in table else None,
            texts(file, "plugins", table.get("plugins", ())),
        )


def texts(file: Any, key: str, value: Any) -> tuple[str, ...]:
    """Return a value of ``[tool.aldis]``, a string or a list of them, as a tuple."""
    if isinstance(value, str):
        return (value,)
    found = tuple(each for each in value if isinstance(each, str)) if isinstance(value, list | tuple) else ()
    if not isinstance(value, list | tuple) or len(found) < len(value):
        raise ConfigurationError(f"{file}: {key} in [tool.aldis] is {value!r}; it takes a string or a list of strings.")
    return found


def is_of(error: ModuleNotFoundError, module: str) -> bool:
    """Tell whether the module that was not found is this one, or a package that it is in."""
    return error.name is not None and f"{module}.".startswith(f"{error.name}.")


def near_module(name: str) -> str:
    """Return a question, after a blank, that names a module beside the one that was not found; empty if none is near.

    Args:
        name: The name of the module, with its package.
    """
    package, _, last = name.rpartition(".")
    if not package:
        return ""
    try:
        path = importlib.import_module(package).__path__
    except (ModuleNotFoundError, AttributeError):
        return ""
    return did_you_mean(last, [each.name for each in iter_modules(path)])
