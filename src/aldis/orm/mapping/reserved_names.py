"""The names of ``aldis.Model``: a class that hides one of them is refused when it is mapped.

``model.py`` asks for this once, for ``Model`` itself; SQLAlchemy's events then bring every class below it.
"""

from __future__ import annotations

import inspect
from functools import cached_property, partialmethod
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from sqlalchemy import Column, Table, event
from sqlalchemy.orm import ColumnProperty, MappedColumn, RelationshipProperty, declared_attr
from sqlalchemy.orm.base import InspectionAttr
from sqlalchemy.util import get_annotations

from ...errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy.orm import Mapper
    from sqlalchemy.orm.attributes import QueryableAttribute

__all__ = ["refuse_lost", "reserve_names"]

AWAITED: Final = frozenset({"save", "update", "delete", "load"})
"""The methods that are awaited: an ``async def`` of the same name overrides one."""

RESERVED: Final = AWAITED | {"query", "meta", "relation", "database"}


def reserve_names(base: type[Any]) -> None:
    """Have classes that hide a name of the base refused when SQLAlchemy maps them.

    Args:
        base: ``aldis.Model``.
    """
    refused: WeakSet[type[Any]] = WeakSet()

    def after_mapper_constructed(mapper: Mapper[Any], model: type[Any]) -> None:
        try:
            for name in sorted(RESERVED):
                if mapper.has_property(name):
                    refuse_mapped(model, name, getattr(model, name))
            refuse_lost(model, base)
            refuse_functions(model, base)
        except ConfigurationError:
            forget_table(mapper)
            refused.add(model)
            raise

    def attribute_instrument(model: type[Any], name: str, attribute: QueryableAttribute[Any]) -> None:
        if name in RESERVED and model not in refused:  # SQLAlchemy configures the mapper of a refused class too
            refuse_mapped(model, name, attribute)

    event.listen(base, "after_mapper_constructed", after_mapper_constructed, propagate=True)
    # Fired when mappers are configured: a backref is there by then, and an attribute that was added to the class.
    event.listen(base, "attribute_instrument", attribute_instrument, propagate=True)


def refuse_mapped(model: type[Any], name: str, attribute: QueryableAttribute[Any]) -> None:
    """Refuse a mapped attribute of a reserved name: a column, a relationship, a backref, a synonym.

    Raises:
        ConfigurationError: Always.
    """
    kind = getattr(attribute, "prop", None)  # not "property", which configures all mappers
    if isinstance(kind, ColumnProperty) and kind.key == name:  # else a synonym of it
        column = getattr(kind.columns[0], "name", name)
        advice = f'Call the attribute {name}_ and leave the column its name: {name}_ = mapped_column("{column}").'
        raise refusal(model, model, name, "column", advice, False)
    what = "relationship" if isinstance(kind, RelationshipProperty) else "mapped attribute"
    raise refusal(model, model, name, what, f"Rename it, to {name}_ for example.", False)


def refuse_functions(model: type[Any], base: type[Any]) -> None:
    """Refuse functions and properties that hide a reserved name, or that ``aldis.Model`` hides.

    Raises:
        ConfigurationError: The class, or a base of it, has one.
    """
    after = model.__mro__[model.__mro__.index(base) + 1 :]
    for name in sorted(RESERVED):
        owner = next((each for each in model.__mro__ if name in vars(each)), None)
        if owner is base:
            owner = next((each for each in after if name in vars(each)), None)
        what = None if owner is None else kind_of(name, vars(owner)[name])
        if owner is None or what is None:
            continue
        is_hidden = owner in after
        advice = f"Rename it, to {name}_ for example"
        if name in AWAITED and what == "plain function" and not is_hidden:
            advice += f", or override aldis.Model's by `async def {name}`"
        raise refusal(model, owner, name, what, f"{advice}.", is_hidden)


def refuse_lost(model: type[Any], base: type[Any]) -> None:
    """Refuse a column or relationship of a mixin or abstract class that SQLAlchemy does not see.

    It takes the attribute that ``aldis.Model`` has of that name for the class's own.

    Args:
        model: The class.
        base: ``aldis.Model``.

    Raises:
        ConfigurationError: There is one.
    """
    for name in sorted(RESERVED):
        owner = next((each for each in model.__mro__ if each is not base and is_declared(each, name)), None)
        if owner is not None:
            advice = f'Call the attribute {name}_ and leave the column its name: {name}_ = mapped_column("{name}").'
            raise refusal(model, owner, name, "mapped attribute", advice, True)


def is_declared(owner: type[Any], name: str) -> bool:
    """Tell whether a class declares a mapped attribute of that name, in its annotations or as SQLAlchemy's own kind."""
    if isinstance(vars(owner).get(name), MappedColumn | Column | RelationshipProperty | declared_attr):
        return True
    return "Mapped[" in str(get_annotations(owner).get(name, ""))


def forget_table(mapper: Mapper[Any]) -> None:
    """Take the table of a refused class out of its metadata, so that the renamed class can be declared again."""
    table = mapper.local_table
    is_inherited = mapper.inherits is not None and mapper.inherits.local_table is table
    if isinstance(table, Table) and hasattr(mapper.class_, "__tablename__") and not is_inherited:
        table.metadata.remove(table)


def kind_of(name: str, value: Any) -> str | None:
    """Return the kind of a class's attribute in words, or ``None`` if it may have a reserved name."""
    if isinstance(value, property | cached_property | InspectionAttr):
        return "property"
    if isinstance(value, staticmethod | classmethod):
        value = value.__func__
    elif isinstance(value, partialmethod):
        value = value.func
    elif not isinstance(value, FunctionType):
        return None
    is_async = inspect.iscoroutinefunction(inspect.unwrap(value))
    return None if is_async and name in AWAITED else "async function" if is_async else "plain function"


def refusal(
    model: type[Any], owner: type[Any], name: str, what: str, advice: str, is_hidden: bool
) -> ConfigurationError:
    """Return the error for a class that has a name of ``aldis.Model``'s.

    Args:
        model: The class that is being mapped.
        owner: The class that has the attribute.
        name: The attribute's name.
        what: Its kind, for the message.
        advice: The way out.
        is_hidden: ``aldis.Model`` comes first, and hides it.
    """
    verb = "would be hidden by" if is_hidden else "would hide"
    article = "an" if what[0] in "aeiou" else "a"
    whose = "" if owner is model else f" (of {owner.__name__})"
    return ConfigurationError(
        f"{model.__name__}.{name}{whose} is {article} {what} and {verb} aldis.Model's own {name!r}. {advice} "
        "Or leave aldis.Model out: receivers hear the class without it, from sessions."
    )
