"""The contents of an instance's Mutable values, which are changed in place: kept, and given back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.ext.mutable import MutableBase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import InstanceState, Mapper

__all__ = ["MUTABLES", "Contents", "contents_of", "give_contents_back", "mutables_of"]

Contents = dict[str, tuple[Any, Any]]
"""By attribute name: the value, and what was in it."""

MUTABLES: Final = "aldis mutables"
"""Where a class manager has the names of the attributes that may be Mutable; a class without any costs no call."""

PARENTS: Final = "_parents"
"""Where a Mutable has those that it is a value of."""


def contents_of(state: InstanceState[Any]) -> Contents:
    """Return what is in the Mutable values of an instance; SQLAlchemy does not track what is deeper in them."""
    values = ((name, state.dict.get(name)) for name in mutables_of(state.mapper))
    return {name: (value, content_of(value)) for name, value in values if isinstance(value, MutableBase)}


def give_contents_back(contents: Contents, values: Mapping[str, Any]) -> None:
    """Put back what was in the values of an instance.

    Args:
        contents: What was in them.
        values: The values that the instance has again.
    """
    for name, (value, content) in contents.items():
        if values.get(name) is not value:
            continue
        if isinstance(value, dict):
            dict.clear(value)
            dict.update(value, content)
        elif isinstance(value, list):
            list.__setitem__(value, slice(None), content)
        elif isinstance(value, set):
            set.clear(value)
            set.update(value, content)
        else:
            attributes = vars(value)
            for each in attributes.keys() - content.keys() - {PARENTS}:
                del attributes[each]
            attributes.update(content)


def content_of(value: Any) -> Any:
    """Return what is in a Mutable value."""
    for kind in (dict, list, set):
        if isinstance(value, kind):
            return kind(value)
    return {name: each for name, each in vars(value).items() if name != PARENTS}


def mutables_of(mapper: Mapper[Any]) -> tuple[str, ...]:
    """Return the attributes of a class that may be Mutable; keep them for the next time.

    They are its composites of such a type, and those to whose ``set`` event somebody listens, as a Mutable type does.
    """
    manager = mapper.class_manager
    known: tuple[str, ...] | None = manager.info.get(MUTABLES)
    if known is not None:
        return known
    names = [each.key for each in mapper.column_attrs if manager[each.key].dispatch.set]
    names += [each.key for each in mapper.composites if issubclass(composite_class(each), MutableBase)]
    found = manager.info[MUTABLES] = tuple(names)
    return found


def composite_class(composite: Any) -> type[Any]:
    """Return the class of a composite; ``object`` where it is made by a function."""
    found = composite.composite_class
    return found if isinstance(found, type) else object
