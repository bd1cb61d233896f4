"""The commands that differ from Alembic's, or that it does not have; their signatures are their flags."""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from alembic import command
from alembic.util import CommandError, msg

from .. import migrations
from ..migrations.apps import app_of, split
from ..migrations.project import Loaded, load
from .revision_progress import shown

if TYPE_CHECKING:
    from alembic.config import Config

__all__ = ["ALL", "TEMPLATE"]

TEMPLATE: Final = "aldis"
"""The template of ``aldis init``, if it is told no other."""

TEMPLATES: Final = Path(migrations.__file__).parent / "templates"


def write_json(**values: Any) -> None:
    """Write an object, on a line, to standard output."""
    print(json_module.dumps(values, default=str), flush=True)  # noqa: T201


def upgrade(config: Config, revision: str, sql: bool = False, tag: str | None = None, json: bool = False) -> None:
    """Upgrade to a later version."""
    move(migrations.upgrade, config, revision, sql, tag, json)


def downgrade(config: Config, revision: str, sql: bool = False, tag: str | None = None, json: bool = False) -> None:
    """Revert to a previous version."""
    move(migrations.downgrade, config, revision, sql, tag, json)


def move(function: Callable[..., None], config: Config, revision: str, sql: bool, tag: str | None, json: bool) -> None:
    """Upgrade or downgrade, and show how far it is."""
    refuse_both(sql, json)
    import_project(config)
    with shown(function.__name__, not (sql or config.messaging_opts.get("quiet")), json):
        function(config, revision, sql=sql, tag=tag)
    say_if_nobody_hears(config)


def refuse_both(sql: bool, json: bool) -> None:
    """Refuse two flags that exclude each other.

    Raises:
        CommandError: Both are given.
    """
    if sql and json:
        raise CommandError("--sql and --json both write to standard output: give one of them.")


def revision(
    config: Config,
    message: str | None = None,
    autogenerate: bool = False,
    sql: bool = False,
    head: Any = "head",
    splice: bool = False,
    branch_label: str | None = None,
    version_path: str | None = None,
    rev_id: str | None = None,
    depends_on: Any = None,
    null_fields: Sequence[str] | None = None,
    json: bool = False,
) -> None:
    """Create a new revision file."""
    refuse_both(sql, json)
    import_project(config)
    found = migrations.revision(
        config,
        message,
        autogenerate=autogenerate,
        sql=sql,
        head=head or "head",  # the command line gives None where it is not named
        splice=splice,
        branch_label=branch_label,
        version_path=version_path,
        rev_id=rev_id,
        depends_on=depends_on,
        null_fields=null_fields or (),
    )
    say_if_nobody_hears(config)
    if json:
        for script in found if isinstance(found, list) else [found]:
            if script is not None:
                write_json(
                    command="revision",
                    revision_id=script.revision,
                    down_revision=script.down_revision,
                    message=script.doc,
                    path=script.path,
                )


def migrate(
    config: Config,
    message: str | None = None,
    sql: bool = False,
    head: Any = "head",
    splice: bool = False,
    branch_label: str | None = None,
    version_path: str | None = None,
    rev_id: str | None = None,
    depends_on: Any = None,
    null_fields: Sequence[str] | None = None,
    json: bool = False,
) -> None:
    """Create a new revision file of the differences between models and database: revision --autogenerate."""
    revision(
        config, message, True, sql, head, splice, branch_label, version_path, rev_id, depends_on, null_fields, json
    )


def check(config: Config, json: bool = False) -> None:
    """Check if revision command with autogenerate has pending upgrade ops."""
    import_project(config)
    command.check(config)
    if json:
        write_json(command="check", pending=False)


def init(
    config: Config, directory: str, template: str = TEMPLATE, package: bool = False, app: Sequence[str] | None = None
) -> None:
    """Initialize a new scripts directory."""
    if template != TEMPLATE:
        if app:
            raise CommandError(f"--app is for the template {TEMPLATE!r}: {template!r} has its env.py edited by hand.")
        command.init(config, directory, template, package)
        return
    look_here(config)
    bases = [app_of(path) for _, path in split(list(app or ()))]
    assert config.config_file_name is not None
    ini = Path(config.config_file_name)
    is_new = not ini.exists()
    command.init(config, directory, str(TEMPLATES / TEMPLATE), package)
    setting = f"app = {' '.join(app or ())}"
    if is_new:
        ini.write_text(ini.read_text("utf-8").replace("\napp =\n", f"\n{setting.rstrip()}\n", 1), "utf-8")
    elif app:
        msg(f"{ini} was there already: set `{setting}` in its [alembic] section.", **config.messaging_opts)
    for base in bases:
        if not set(migrations.NAMING_CONVENTION) & set(base.metadata.naming_convention) - {"ix"}:
            msg(
                f"{base.__name__}.metadata names no constraints, and one without a name cannot be dropped on SQLite: "
                "set `metadata = MetaData(naming_convention=aldis.migrations.NAMING_CONVENTION)` on it before the "
                "first revision.",
                **config.messaging_opts,
            )


def list_templates(config: Config) -> None:
    """List available templates."""
    command.list_templates(config)
    synopsis = (TEMPLATES / TEMPLATE / "README").read_text("utf-8").partition("\n")[0]
    config.print_stdout("\nThe template of 'aldis init', if it is told no other:\n")
    config.print_stdout("%s - %s", TEMPLATE, synopsis)


def signals(config: Config, graph: str | None = None, watch: str | None = None, json: bool = False) -> None:
    """List every signal with its receivers, and where each was connected; or draw them."""
    from .graph import draw
    from .listing import json_lines, text_lines

    if watch and not graph:
        raise CommandError("--watch is for --graph: it shows which receiver writes which model.")
    loaded = import_project(config)
    if graph:
        draw(graph, watch)
        return
    for line in map(json_module.dumps, json_lines(loaded)) if json else text_lines(loaded):
        print(line)  # noqa: T201


def bench(config: Config, json: bool = False) -> None:
    """Print the time that a send takes on this machine."""
    try:
        from ..bench import run
    except ModuleNotFoundError as error:
        if error.name != "rich":
            raise
        raise CommandError("rich is not installed: pip install 'aldis[cli]'") from error
    run(json)


def relay(
    config: Config,
    action: str,
    broker: str | None = None,
    receiver: str | None = None,
    metrics: str | None = None,
    json: bool = False,
) -> None:
    """Pass events on to a broker or to the receivers, receive them, see how it is going."""
    from .relaying import RelayOptions, perform

    bases = list(import_project(config).bases.values())
    perform(action, RelayOptions(bases, broker, receiver, metrics, write_json if json else None))


def import_project(config: Config) -> Loaded:
    """Import the models and the receivers of the project that the command is run in."""
    look_here(config)
    return load(config)


def say_if_nobody_hears(config: Config) -> None:
    """Say, on standard error, that a command has fired its signals for nobody."""
    from .listing import is_anybody_connected

    if config.messaging_opts.get("quiet") or is_anybody_connected():
        return
    imported = ", ".join(each.module for each in load(config).modules) or "nothing"
    print(  # noqa: T201
        f"No receiver is connected (imported: {imported}). Name the modules that connect receivers: --receivers "
        "PACKAGE.MODULE, or receivers in [tool.aldis] of pyproject.toml.",
        file=sys.stderr,
    )


def look_here(config: Config) -> None:
    """Let modules be found where Alembic finds them for env.py: where the command is run, if it is not told else."""
    try:
        found = config.get_prepend_sys_paths_list()
    except CommandError:  # there is no configuration
        found = None
    for path in reversed(found or ["."]):
        absolute = str(Path(path).absolute())
        if not {path, absolute} & set(sys.path):
            sys.path.insert(0, absolute)


ALL: Final[tuple[Callable[..., Any], ...]] = (
    bench,
    check,
    downgrade,
    init,
    list_templates,
    migrate,
    relay,
    revision,
    signals,
    upgrade,
)
