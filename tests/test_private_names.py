"""The private names of other packages: each is listed here, with where it is read and whose it is."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import aldis

FOLDER = Path(aldis.__file__).parent

STATEMENTS = "sqlalchemy.sql.selectable sqlalchemy.sql.dml sqlalchemy.sql.base sqlalchemy.sql.annotation"
SESSIONS = "sqlalchemy.orm.session"
INSTANCES = "sqlalchemy.orm.state sqlalchemy.orm.instrumentation"
ASYNCPG = "sqlalchemy.dialects.postgresql.asyncpg asyncpg.connection asyncpg.prepared_stmt"
ASYNCMY = "sqlalchemy.dialects.mysql.asyncmy sqlalchemy.connectors.asyncio asyncmy.connection"

READ: dict[str, dict[str, str]] = {
    "cli/command_line.py": {"_option_string_actions _positionals _group_actions": "argparse"},
    "cli/listing.py": {"_asdict": "collections"},
    "cli/parser.py": {"_choices_actions": "argparse"},
    "dispatch/bookkeeping.py": {"_getframe": "warnings"},
    "migrations/environment.py": {"_proxy _remove_proxy": "alembic.runtime.environment alembic.util.langhelpers"},
    "migrations/operations.py": {
        "_exec": "alembic.ddl.impl",
        "_in_external_transaction": "alembic.runtime.migration",
    },
    "orm/databases/aiosqlite.py": {"_conn _execute": "aiosqlite.core"},
    "orm/databases/asyncmy.py": {
        "_encoding _execute_command _execute_mutex _next_seq_id _read_query_result _result _write_bytes": ASYNCMY
    },
    "orm/databases/asyncpg.py": {
        "_default_name_func _execute_mutex _prepared_statement_name_func _protocol _start_transaction _state "
        "_stmt_cache _transaction _transport": ASYNCPG
    },
    "orm/databases/outcome.py": {"_handle_dbapi_exception _handle_exception": f"sqlalchemy.engine.base {ASYNCPG}"},
    "orm/databases/psycopg.py": {"_get_tx_start_command _prepared _start_query": "psycopg._connection_base"},
    "orm/databases/psycopg_trip.py": {"_prepared": "psycopg._connection_base"},
    "orm/databases/sqlite.py": {"_conn _tx": "aiosqlite.core"},
    "orm/internals.py": {
        "_distinct _execution_options _fetch_clause _generate _group_by_clauses _having_criteria _hints "
        "_independent_ctes _limit_clause _multi_values _offset_clause _post_values_clause _prefixes "
        "_returning _setup_joins _values _where_criteria": STATEMENTS,
        "_deleted _flush _flushing _new _register_altered": SESSIONS,
        "_is_orphan _persistent_sortkey_fn": "sqlalchemy.orm.mapper",
        "_reverse_property": "sqlalchemy.orm.relationships",
    },
    "orm/mapping/_pure_states.py": {"_cleanup _deleted": INSTANCES},
    "orm/mapping/instance_state.py": {
        "_deleted": INSTANCES,
        "_sa_adapter": "sqlalchemy.orm.collections",
    },
    "orm/mapping/many_to_many.py": {"_supports_dynamic_iteration": "sqlalchemy.orm.writeonly sqlalchemy.orm.dynamic"},
    "orm/mapping/members.py": {"_sa_adapter": "sqlalchemy.orm.collections"},
    "orm/mapping/read_instances.py": {
        "_deleted _expire _state_constructor": INSTANCES,
        "_sa_adapter": "sqlalchemy.orm.collections",
    },
    "orm/session/bulk_statements.py": {"_annotations": STATEMENTS, "_render_nulls": "sqlalchemy.orm.bulk_persistence"},
    "orm/session/order.py": {"_sa_adapter": "sqlalchemy.orm.collections"},
    "orm/session/row_statements.py": {"_with_options": STATEMENTS},
    "orm/session/statements.py": {"_annotations": STATEMENTS},
    "orm/transactions/savepoints.py": {"_echo _has_events": "sqlalchemy.engine.base"},
    "orm/transactions/watched_connection.py": {"_has_events": "sqlalchemy.engine.base"},
    "orm/transactions/settings.py": {"_on_connect_isolation_level": "sqlalchemy.engine.default"},
    "relay/brokers/jetstream.py": {"_flush_pending _send_command": "nats.aio.client"},
    "relay/brokers/nats.py": {"_connection": "faststream._internal.broker.broker"},
    "relay/brokers/redis.py": {
        "_connection": "faststream._internal.broker.broker",
        "_subscribers": "faststream._internal.broker.registrator",
    },
    "relay/lanes.py": {"_creator": "sqlalchemy.pool.base"},
}
"""The private names that a file reads, by the modules of which one has them."""

GONE: dict[str, str] = {
    "_expand_composites": "sqlalchemy.orm.bulk_persistence of 2.0",
    "_expand_other_attrs": "sqlalchemy.orm.bulk_persistence from 2.1 on",
    "_maintain_values_ordering": "sqlalchemy.sql.dml from 2.1 on",
    "_ordered_values": "sqlalchemy.sql.dml of 2.0",
    "_post_criteria_clause": "sqlalchemy.sql.dml from 2.1 on",
}
"""The names of one of the two versions of SQLAlchemy; read in orm/internals.py and orm/saving/row_refusals.py."""

ASKING = frozenset({"attrgetter", "getattr", "hasattr", "setattr"})
"""The functions that are given a name as a string."""


def is_private(name: object) -> bool:
    """Tell whether a name is private: it begins with one underscore."""
    return isinstance(name, str) and name.startswith("_") and not name.startswith("__") and name.isidentifier()


def own_names() -> set[str]:
    """Return the private names that aldis itself defines: functions, classes, fields, variables and slots."""
    found = set()
    for path in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                found.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                if isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}:
                    found.add(node.attr)
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__slots__":
                found |= {each.value for each in ast.walk(node.value) if isinstance(each, ast.Constant)}
    return {name for name in found if is_private(name)}


def names_read(path: Path) -> Iterator[str]:
    """Yield the private names that a file reads or sets of any object, and those that it gives to ``getattr``."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ASKING:
            yield from (each.value for each in node.args if isinstance(each, ast.Constant))
        elif isinstance(node, ast.comprehension) and isinstance(node.iter, ast.Tuple):
            yield from (each.value for each in node.iter.elts if isinstance(each, ast.Constant))
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (each.name for each in node.names)


def listed() -> dict[str, set[str]]:
    """Return the list: the names by the file that reads them."""
    return {path: {name for names in owners for name in names.split()} for path, owners in READ.items()}


def test_private_names_of_others_are_listed() -> None:
    own, found = own_names(), dict[str, set[str]]()
    known = listed()
    for path in FOLDER.rglob("*.py"):
        place = path.relative_to(FOLDER).as_posix()
        ours = own - known.get(place, set())
        names = {name for name in names_read(path) if is_private(name)} - ours - GONE.keys()
        if names:
            found[place] = names
    assert found == known


def test_compiled_loops_read_the_names_of_the_python_ones() -> None:
    source = (Path(__file__).parents[1] / "cext" / "states.pyx").read_text()
    assert set(re.findall(r"\.(_[a-z]\w*)", source)) == {"_cleanup", "_deleted"}


def text_of(module: str) -> bytes:
    """Return the source of a module, or the bytes of a compiled one."""
    spec = importlib.util.find_spec(module)
    return Path(spec.origin).read_bytes() if spec is not None and spec.origin else b""


OWNERS = sorted(
    {(name, modules) for owners in READ.values() for names, modules in owners.items() for name in names.split()}
)


@pytest.mark.parametrize(("name", "modules"), OWNERS, ids=[name for name, _ in OWNERS])
def test_private_name_is_still_there(name, modules) -> None:
    """A later release that has renamed it is found here, and not by a save that has become slow or fails."""
    packages = {module.partition(".")[0] for module in modules.split()}
    for package in packages:
        pytest.importorskip(package)
    texts = []
    for module in modules.split():
        try:
            texts.append(text_of(module))
        except ModuleNotFoundError:
            continue
    assert any(name.encode() in text for text in texts), (name, modules)
