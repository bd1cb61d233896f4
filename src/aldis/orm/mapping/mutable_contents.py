"""The contents of an instance's Mutable values, which are changed in place: kept, and given back."""

from __future__ import annotations

from collections import OrderedDict
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sqlalchemy.orm import InstanceState, Mapper

__all__ = ["MUTABLES", "Contents", "adopt", "contents_of", "give_contents_back", "own_copies"]

Contents = dict[str, tuple[Any, Any]]
"""By attribute name: the value, and its content: items, attributes, or a copy."""

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


def give_contents_back(contents: Contents, state: InstanceState[Any]) -> None:
    """Give the Mutable values of an instance their contents back.

    A value that another one has taken the place of is watched again.

    Args:
        contents: The contents.
        state: The state of the instance, which has its earlier values again.
    """
    for name, (value, content) in contents.items():
        if state.dict.get(name) is not value:
            continue
        if isinstance(value, dict) and type(content) is dict:
            dict.clear(value)
            dict.update(value, content)
        elif isinstance(value, list):
            list.__setitem__(value, slice(None), content)
        elif isinstance(value, set):
            set.clear(value)
            set.update(value, content)
        elif isinstance(content, Attributes):
            for each in vars(value).keys() - content.keys() - {PARENTS}:
                del vars(value)[each]
            for each in content:
                object.__setattr__(value, each, content[each])
        else:
            state.dict[name] = content
        adopt(state, name, state.dict[name])


def adopt(state: InstanceState[Any], name: str, value: object) -> None:
    """Let a Mutable value that an instance has again, by no event, tell of its changes."""
    parents = getattr(value, PARENTS, None)
    if parents is not None:
        parents[state] = name


def own_copies(mapper: Mapper[Any], values: dict[str, Any]) -> dict[str, Any]:
    """Return values of one instance for another one: a Mutable value would be changed in place for both."""
    own = {name: deepcopy(values[name]) for name in mutables_of(mapper) if hasattr(values.get(name), PARENTS)}
    for each in own.values():
        getattr(each, PARENTS).clear()
    return values | own if own else values


class Attributes(dict[str, Any]):
    """The attributes of a value."""


def content_of(value: Any) -> Any:
    """Return the content of a Mutable value: its items, its attributes, or a copy of it where neither are known."""
    from sqlalchemy.ext.mutable import MutableComposite

    for kind in (dict, list, set):
        if isinstance(value, kind) and not isinstance(value, OrderedDict):
            return kind(value)
    if not isinstance(value, MutableComposite):
        return deepcopy(value)
    slots = [name for each in type(value).__mro__ for name in getattr(each, "__slots__", ())]
    names = [*vars(value), *(name for name in slots if hasattr(value, name))]
    return Attributes(
        {name: getattr(value, name) for name in names if name not in {PARENTS, "__weakref__", "__dict__"}}
    )


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
