"""The contents of an instance's Mutable values, which are changed in place: kept, and given back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import InstanceState, Mapper

__all__ = ["MUTABLES", "Contents", "contents_of", "give_contents_back"]

Contents = dict[str, tuple[Any, Any]]
"""By attribute name: the value, and its content: items, or attributes."""

MUTABLES: Final = "aldis mutables"
"""Where a class manager has the names of the attributes that may be Mutable; a class without any costs no call."""

PARENTS: Final = "_parents"
"""Where a Mutable has those that it is a value of."""


def contents_of(state: InstanceState[Any]) -> Contents:
    """Return the contents of an instance's Mutable values, without copies of lists and dicts deeper in them.

    SQLAlchemy does not track changes of these either.
    """
    names = mutables_of(state.mapper)
    if not names:
        return {}
    from sqlalchemy.ext.mutable import MutableBase  # here: most programs have no such values

    values = ((name, state.dict.get(name)) for name in names)
    return {name: (value, content_of(value)) for name, value in values if isinstance(value, MutableBase)}


def give_contents_back(contents: Contents, values: Mapping[str, Any]) -> None:
    """Give the Mutable values of an instance their contents back.

    Args:
        contents: The contents.
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
    """Return the content of a Mutable value."""
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
    names += [each.key for each in mapper.composites if hasattr(each.composite_class, PARENTS)]
    found = manager.info[MUTABLES] = tuple(names)
    return found
