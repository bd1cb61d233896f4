"""The imports of a command before it runs: the models of the app, and the modules with its receivers.

The command line calls :func:`load`, and so does :func:`apps` in ``env.py``, for plain ``alembic``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from alembic.util import CommandError

from ..discovery import Project, import_receivers, is_of, load_plugins, near_module, receivers_beside
from .apps import App, app_of, split

if TYPE_CHECKING:
    from alembic.config import Config

__all__ = ["Imported", "Loaded", "apps", "load"]

ATTRIBUTE: Final = "aldis.loaded"
"""The key in ``config.attributes`` under which a command's imports are kept."""


@dataclass(frozen=True)
class Imported:
    """A module that was imported, and the reason."""

    module: str
    """Its name."""
    reason: str
    """The setting that names it, or the place where it was found."""


@dataclass(frozen=True)
class Loaded:
    """The modules that a command has imported."""

    bases: Mapping[str, type[Any]]
    """The declarative bases, by name: the empty string for the only one."""
    modules: Sequence[Imported]
    """The modules that were asked for, in the order of their import; those that they import in turn are not told."""


def load(config: Config) -> Loaded:
    """Import the models and the receivers of a project, once for each configuration.

    The declarative bases are those of ``--app``, of ``app`` in ``alembic.ini``, or of ``[tool.aldis]`` in
    ``pyproject.toml``; the receivers those of ``--receivers``, of ``[tool.aldis]``, or the modules called ``receivers``
    beside the bases' modules; and the plugins that ``[tool.aldis]`` names.

    Args:
        config: Alembic's configuration, with the command's options in ``cmd_opts``.

    Raises:
        CommandError: A module or a base is not there.
        ConfigurationError: ``[tool.aldis]`` cannot be read, or names a plugin that is not there.
    """
    found: Loaded | None = config.attributes.get(ATTRIBUTE)
    if found is not None:
        return found
    project = Project.read(project_file(config))
    paths, reason = app_paths(config, project)
    receivers = getattr(config.cmd_opts, "receivers", None)
    bases, modules = {}, list[Imported]()
    for name, path in split(paths):
        bases[name] = app_of(path)
        modules.append(Imported(path.partition(":")[0], reason))
    if receivers or project.receivers is not None:
        reason = "--receivers" if receivers else "receivers in [tool.aldis]"
        for name in receivers or project.receivers or ():
            modules += [Imported(each, reason) for each in import_named(name, reason)]
    else:
        for each in list(modules):
            beside = import_receivers(receivers_beside(each.module))
            modules += [Imported(name, f"beside {each.module}") for name in beside]
    modules += [Imported(module, f"plugin {name!r}") for name, module in load_plugins(project.plugins)]
    first: dict[str, Imported] = {}
    for each in modules:
        first.setdefault(each.module, each)
    loaded = config.attributes[ATTRIBUTE] = Loaded(bases, list(first.values()))
    return loaded


def apps(config: Config) -> list[App]:
    """Return the declarative bases that the configuration names, and import the receivers beside them: for ``env.py``.

    Args:
        config: Alembic's configuration; ``app`` is ``package.module:Base``, or ``name=package.module:Base`` several
            times, with blanks between. Where it has none, ``[tool.aldis]`` of ``pyproject.toml`` is asked.

    Raises:
        CommandError: It is not set, or names none.
    """
    bases = load(config).bases
    if not bases:
        raise CommandError(
            "`app` is not set in [alembic] of the configuration, nor in [tool.aldis] of pyproject.toml: app = "
            "package.module:Base"
        )
    return [App(config, name, base) for name, base in bases.items()]


def app_paths(config: Config, project: Project) -> tuple[list[str], str]:
    """Return the paths of the declarative bases, and the setting that they come from."""
    paths, reason = getattr(config.cmd_opts, "app", None), "--app"
    if not paths:
        try:
            ini = (config.get_main_option("app") or "").split()
        except CommandError:  # there is no configuration
            ini = []
        if ini:
            return ini, f"app in {config.config_file_name}"
        paths, reason = project.app, "app in [tool.aldis]"
    if paths:
        config.set_main_option("app", " ".join(paths))  # the template of a revision reads it
    return list(paths), reason


def project_file(config: Config) -> Path | None:
    """Return the ``pyproject.toml`` that Alembic reads; else the one beside ``alembic.ini``."""
    if config.toml_file_name is not None:
        return Path(config.toml_file_name)
    return Path(config.config_file_name).with_name("pyproject.toml") if config.config_file_name is not None else None


def import_named(name: str, setting: str) -> Iterable[str]:
    """Import a module with receivers that a setting names; return the names of all that were imported."""
    try:
        return import_receivers([name])
    except ModuleNotFoundError as error:
        if not is_of(error, name):
            raise
        raise CommandError(f"{setting} {name}: there is no module {error.name!r}.{near_module(name)}") from error
