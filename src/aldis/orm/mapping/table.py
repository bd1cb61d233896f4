"""A mapped class: which attribute is which column, and which defaults a row gets."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property
from operator import eq, itemgetter
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Column, Table, UniqueConstraint, inspect
from sqlalchemy.exc import NoInspectionAvailable
from sqlalchemy.orm import InstanceState, Mapper
from sqlalchemy.sql.schema import ColumnElementColumnDefault
from sqlalchemy.types import TypeEngine

from ...errors import ConfigurationError, UnknownAttributeError
from ...suggestions import did_you_mean
from .defaults import DefaultContext, clients_defaults
from .facts import keys_of, may_delete_or_change, referenced_keys, rowid_of, table_of_rows

if TYPE_CHECKING:
    from sqlalchemy import Dialect

    from .many_to_many import Link

__all__ = [
    "TableMapping",
    "LISTENED",
    "NAMED_AND_MAPPED",
    "attribute",
    "hint",
    "is_listened",
    "maker_of_rows",
    "mapper_of",
    "picker",
    "mapping_of",
]


LISTENED: Final[set[type[Any]]] = set()
"""The classes to whose rows' events aldis listens, and to those of the classes below them."""


NAMED_AND_MAPPED: Final[set[type[Any]]] = set()
"""The mapped classes without the mixin to whose rows aldis listens, since a receiver names them or a base of theirs."""


def is_listened(model: type[Any]) -> bool:
    """Tell whether aldis listens to the rows of a class: it is an aldis Model, or a receiver named it or a base."""
    return model in NAMED_AND_MAPPED or any(base in LISTENED for base in model.__mro__)


@dataclass(eq=False, repr=False)
class TableMapping:
    """A mapped class, read once. Nobody sets an attribute again; a frozen class would take longer to import."""

    mapper: Mapper[Any]
    table: Table
    """The class's table; the innermost, where it has several."""
    reason: str | None
    """Why its rows need SQLAlchemy's unit of work, if they do."""
    relationships: frozenset[str]
    """The attributes that are relationships to write."""
    has_dependents: bool
    """A delete may concern other rows."""
    referenced: frozenset[str]
    """The keys of the columns that related rows refer to: an UPDATE of one may concern these rows."""
    columns: tuple[tuple[str, str], ...]
    """The attribute's name and the column's key, of each column that is mapped."""
    key_of: Mapping[Column[Any], str]
    """The key of each column that is mapped: its own; where two tables have one of the same key, see ``keys_of()``."""
    attributes: Mapping[str, str]
    """The attribute's name by the column's key."""
    keys: Mapping[str, str]
    """The column's key by the attribute's name."""
    defaults: tuple[tuple[str, Callable[[Any], Any]], ...]
    """The column's key, and the function that makes its default on the client."""
    onupdates: tuple[tuple[str, Callable[[Any], Any]], ...]
    """The same for an UPDATE."""
    primary_key: tuple[str, ...]
    """The keys of the primary key's columns."""
    made_on_insert: tuple[Column[Any], ...]
    """The columns that the database may fill in: keys, server defaults, SQL expressions, computed columns."""
    null_when_unset: tuple[str, ...]
    """The keys of the columns that an INSERT sets to NULL where the attribute was never set, as a flush does."""
    left_out_when_none: frozenset[str]
    """The keys of the columns that an INSERT leaves out where the attribute is ``None``: a default serves."""
    readonly: frozenset[str]
    """The attributes that are SQL expressions."""
    expired_when_written: tuple[str, ...]
    """Those among them that a flush expires, as another value of a column may give them another one."""
    made_on_update: tuple[Column[Any], ...]
    """The columns that the database may fill in when others are updated."""
    rowid: Column[Any] | None
    """The column that is SQLite's rowid under another name, if the table has one."""
    prepared: weakref.WeakKeyDictionary[Dialect, dict[Any, Any]] = field(default_factory=weakref.WeakKeyDictionary)
    """The statements that were compiled for it, see ``prepared.py``."""
    plans: dict[tuple[str, ...], Any] = field(default_factory=dict)
    """How instances become rows, by the attributes that are set, see ``plan.py``."""

    @cached_property
    def left_unset(self) -> tuple[tuple[str, str], ...]:
        """The attributes, with their column's keys, that an INSERT leaves out of an instance that has not set them.

        There are some only where an UPDATE sets further columns, since only there it shows in the row. A deferred
        attribute would have to be read. One that an UPDATE makes is read after an INSERT too, if the mapper has
        ``eager_defaults=True`` (``_finalize_insert_update_commands`` in SQLAlchemy's ``orm/persistence.py``).
        """
        if not (self.onupdates or self.made_on_update):
            return ()
        read = {column.key for column in self.made_on_update if self.mapper.eager_defaults is True}
        named = [(self.attributes[key], key) for key in self.null_when_unset if key not in read]
        return tuple((name, key) for name, key in named if not self.mapper.column_attrs[name].deferred)

    @cached_property
    def links(self) -> Mapping[str, Link]:
        """The many-to-many relationships that are written, by name."""
        from .many_to_many import links_of  # here: most programs neither flush a session nor link instances

        return links_of(self.mapper)

    @cached_property
    def associations(self) -> tuple[type[Any], ...]:
        """The classes that are mapped to the secondary tables of its many-to-many relationships."""
        return tuple(each.association for each in self.links.values() if each.association is not None)

    @cached_property
    def identity_class(self) -> type[Any]:
        """The class in the identity keys of its instances."""
        return self.mapper.identity_key_from_primary_key(())[0]

    @cached_property
    def settable(self) -> frozenset[str]:
        """The mapped attributes, which a caller may set by name; ``settable.py`` knows of others."""
        return frozenset(self.mapper.attrs.keys())

    @cached_property
    def unique_keys(self) -> frozenset[str]:
        """The keys of the columns that are in the primary key, or in a unique constraint or index."""
        table = self.table
        found = [*table.primary_key.columns]
        for constraint in table.constraints:
            found += constraint.columns if isinstance(constraint, UniqueConstraint) else ()
        for index in table.indexes:
            found += index.columns if index.unique else ()
        return frozenset(column.key for column in found)

    @cached_property
    def row_of(self) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
        """The function that makes the row of an instance's values, by column key; a KeyError, where one is missing."""
        return maker_of_rows((key, name) for name, key in self.columns)

    @cached_property
    def equals(self) -> dict[str, Callable[[Any, Any], Any]]:
        """The functions that compare two values of a column's attribute as its type does, by the attribute's name."""
        manager = self.mapper.class_manager
        compared = {name: manager[name].impl.is_equal for name in self.keys}
        plain = TypeEngine.compare_values  # ``==``, which the operator module has in C
        return {name: eq if getattr(each, "__func__", None) is plain else each for name, each in compared.items()}

    @cached_property
    def is_named_alike(self) -> bool:
        """Its attributes have the names of their columns' keys."""
        return all(key == name for key, name in self.attributes.items())

    @cached_property
    def table_of(self) -> dict[str, Any]:
        """The table of each column, by its key, where there are several."""
        if len(self.mapper.tables) == 1:
            return {}
        return {key: self.mapper.columns[name].table for name, key in self.columns}

    @cached_property
    def own_listeners(self) -> int:
        """How many listeners aldis itself has for each event of the mapper's rows; see ``session/listeners.py``."""
        return sum(base in LISTENED for base in self.mapper.class_.__mro__)

    @property
    def watches_init(self) -> bool:
        """Somebody listens to SQLAlchemy's ``init`` event of its instances, beside SQLAlchemy itself."""
        return len(self.mapper.class_manager.dispatch.init) > 1

    @property
    def watches_values(self) -> bool:
        """Somebody listens to the ``set`` event of an attribute; a validator does, and a Mutable type."""
        manager = self.mapper.class_manager
        return any(manager[name].dispatch.set for name in self.keys)

    @property
    def watches_updates(self) -> bool:
        """Somebody else than aldis listens to ``before_update``, and may set further attributes of an instance."""
        return len(self.mapper.dispatch.before_update) > self.own_listeners

    @property
    def watches_expiry(self) -> bool:
        """Somebody listens to SQLAlchemy's ``expire`` event of its instances."""
        return bool(self.mapper.class_manager.dispatch.expire)

    def complete(
        self, column_values: dict[str, Any], defaults: tuple[tuple[str, Callable[[Any], Any]], ...]
    ) -> dict[str, Any]:
        """Add the client's defaults to column values; of an UPDATE, those of the tables that are written."""
        if defaults is self.onupdates and self.table_of:
            tables = {self.table_of[key] for key in column_values}
            defaults = tuple(each for each in defaults if self.table_of[each[0]] in tables)
        for key, default in defaults:
            if key not in column_values:
                column_values[key] = default(DefaultContext(column_values))
        return column_values

    def refuse_unknown(self, keys: AbstractSet[str]) -> None:
        """Refuse to write a key that is no column's.

        Raises:
            UnknownAttributeError: A key is no column's.
        """
        if not keys <= self.attributes.keys():
            name, key = self.mapper.class_.__name__, min(map(str, keys - self.attributes.keys()))
            raise UnknownAttributeError(f"{key!r} in column_values is no column of {name}.{hint(key, self.attributes)}")

    def own(self, parameters: Any) -> dict[str, Any]:
        """Return, of a statement's parameters, those that are values of mapped columns."""
        return {key: value for key, value in parameters.items() if key in self.attributes}

    def by_attribute(self, column_values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of a row by attribute name instead of column key."""
        return {self.attributes[key]: value for key, value in column_values.items()}

    def key_conditions(self, state: InstanceState[Any]) -> list[Any]:
        """Return the conditions that find the stored row of an instance."""
        assert state.identity is not None
        return [column == value for column, value in zip(self.mapper.primary_key, state.identity, strict=True)]

    def refuse_core(self, what: str) -> None:
        """Refuse a method that works on one table only.

        Raises:
            ConfigurationError: The class is mapped to several.
        """
        if len(self.mapper.tables) > 1:
            name = self.mapper.class_.__name__
            raise ConfigurationError(
                f"{name} is mapped to more than one table: {what} cannot do that with one statement. Use instances."
            )


def mapping_of(model: type[Any]) -> TableMapping:
    """Return the mapping of a mapped class, read when it is first asked for.

    Raises:
        ConfigurationError: The class is not mapped, or not to a table.
    """
    mapping: TableMapping | None = model.__dict__.get("_aldis_mapping")
    if mapping is None:
        mapping = _read(mapper_of(model))
        type.__setattr__(model, "_aldis_mapping", mapping)
    return mapping


def mapper_of(model: type[Any]) -> Mapper[Any]:
    """Return the mapper of a class.

    Raises:
        ConfigurationError: The class is not mapped.
    """
    try:
        mapper: Mapper[Any] = inspect(model)
    except NoInspectionAvailable:
        raise ConfigurationError(
            f"{model.__name__} is not mapped to a table: give it a __tablename__ and a primary key column."
        ) from None
    return mapper


def attribute(model: type[Any], name: str) -> Any:
    """Return a mapped class's attribute, for SQL.

    Raises:
        UnknownAttributeError: There is none of that name.
    """
    known = mapper_of(model).all_orm_descriptors.keys()
    if name not in known:
        raise UnknownAttributeError(f"{name!r} is no attribute of {model.__name__}.{hint(name, known)}")
    return getattr(model, name)


def picker(names: tuple[str, ...]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """Return a function that takes the values of these names; itemgetter of one name returns no tuple."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: tuple([values[name] for name in names])


def maker_of_rows(
    columns: Iterable[tuple[str, str]], defaults: Iterable[tuple[str, Callable[[], Any]]] = ()
) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Return a function that makes a dict of an instance's values, by column key instead of attribute name.

    Written as Python's own dict display: a fourth of the time of ``dict(zip(...))``.

    Args:
        columns: Each column's key, and the name of its attribute.
        defaults: Further columns' keys, and the function that makes the value.
    """
    made = dict(defaults)
    display = [f"{key!r}: values[{name!r}]" for key, name in columns]
    display += [f"{key!r}: make_{number}()" for number, key in enumerate(made)]
    makers = {f"make_{number}": make for number, make in enumerate(made.values())}
    maker: Callable[[Mapping[str, Any]], dict[str, Any]] = eval(f"lambda values: {{{', '.join(display)}}}", makers)  # noqa: S307
    return maker


def hint(name: str, known: Iterable[str]) -> str:
    """Return a sentence after a blank: the name that may have been meant, or the names that there are."""
    return did_you_mean(name, known) or f" It has {', '.join(sorted(known))}."


def _read(mapper: Mapper[Any]) -> TableMapping:
    table = table_of_rows(mapper)
    if table is None:
        found = type(mapper.local_table).__name__
        raise ConfigurationError(f"{mapper.class_.__name__} is mapped to {found}, which is no table.")
    reason = (
        "is mapped to more than one table"
        if len(mapper.tables) > 1
        else "counts versions"
        if mapper.version_id_col is not None
        else None
    )
    related = [each for each in mapper.relationships if not each.viewonly]
    named = {each.key: each.columns[0] for each in mapper.column_attrs if isinstance(each.columns[0], Column)}
    key_of = keys_of(mapper, named.values())
    columns = tuple((name, key_of[column]) for name, column in named.items())
    primary_key = tuple(key_of[named[mapper.get_property_by_column(column).key]] for column in mapper.primary_key)
    defaults = clients_defaults(key_of, lambda column: column.default)
    made = {key for key, _ in defaults}
    return TableMapping(
        mapper=mapper,
        table=table,
        reason=reason,
        relationships=frozenset(each.key for each in related),
        has_dependents=any(may_delete_or_change(each) for each in related),
        referenced=frozenset(key for each in related for key in referenced_keys(each, key_of)),
        columns=columns,
        key_of=key_of,
        attributes={key: name for name, key in columns},
        keys=dict(columns),
        defaults=defaults,
        onupdates=clients_defaults(key_of, lambda column: column.onupdate),
        primary_key=primary_key,
        null_when_unset=tuple(
            key
            for column, key in key_of.items()
            if not (column.primary_key or column.server_default or column.default or column.type.should_evaluate_none)
        ),
        left_out_when_none=frozenset(
            key
            for column, key in key_of.items()
            if (column.primary_key or column.server_default or column.default) and not column.type.should_evaluate_none
        ),
        readonly=frozenset(attribute.key for attribute in mapper.column_attrs).difference(name for name, _ in columns),
        made_on_insert=tuple(
            column
            for column, key in key_of.items()
            if column.server_default is not None
            or (column.default is not None and key not in made)
            or column.primary_key
            or key in primary_key
        ),
        expired_when_written=tuple(
            attribute.key
            for attribute in mapper.column_attrs
            if attribute.key not in dict(columns) and getattr(attribute, "expire_on_flush", True)
        ),
        made_on_update=tuple(
            column
            for column in key_of
            if column.server_onupdate is not None or isinstance(column.onupdate, ColumnElementColumnDefault)
        ),
        rowid=rowid_of(table, primary_key),
    )
