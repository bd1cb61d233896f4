"""Which many-to-many relationship a name stands for, whether an instance can be linked, and the ``Select`` of what is.

``Relation`` (``related.py``) asks before anything is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, exists, select, tuple_
from sqlalchemy.orm import InstanceState, RelationshipDirection, with_parent
from sqlalchemy.orm.attributes import instance_state

from ...errors import ConfigurationError, NotSavedError, UnknownAttributeError
from ..internals import reverses
from .table import hint, mapper_of, mapping_of

if TYPE_CHECKING:
    from .many_to_many import Link

__all__ = ["link_of", "not_loaded", "related_rows", "stored"]


def link_of(model: type[Any], name: str) -> Link:
    """Return the many-to-many relationship of that name.

    Raises:
        UnknownAttributeError: There is no relationship of that name.
        ConfigurationError: It is none between many and many, or it is not written.
    """
    found = mapping_of(model).links.get(name)
    if found is not None:
        return found
    relationships = mapper_of(model).relationships
    if name not in relationships:
        known = [each.key for each in relationships]
        what = "is no relationship" if hasattr(model, str(name)) else "is no attribute"
        raise UnknownAttributeError(
            f"{name!r} {what} of {model.__name__}.{hint(str(name), known)}"
            if known
            else f"{name!r} {what} of {model.__name__}, which has no relationships."
        )
    relationship = relationships[name]
    other, call = relationship.mapper.class_.__name__, f"{model.__name__}.{name}"
    if relationship.viewonly:
        raise ConfigurationError(
            f"{call} is viewonly: nothing is written by it. Take the relationship that is written."
        )
    if relationship.direction is RelationshipDirection.ONETOMANY:
        names = [each.key for each in reverses(relationship)]
        how = f"{other.lower()}.{names[0]} = ..." if names else "its foreign key"
        raise ConfigurationError(
            f"{call} is one-to-many, and relation() is for many-to-many: the row of the {other} says to whom it "
            f"belongs. Set {how} and save the {other}: await {other.lower()}.save()."
        )
    if relationship.direction is RelationshipDirection.MANYTOONE:
        raise ConfigurationError(
            f"{call} is many-to-one, and relation() is for many-to-many: set {model.__name__.lower()}.{name} = ... and "
            f"save the {model.__name__}."
        )
    raise ConfigurationError(f"{call} is linked by {relationship.secondary}, which is no table: it cannot be written.")


def related_rows(instance: object, link: Link) -> Select[Any]:
    """Return the ``Select`` of the instances that one is linked with, in the order of the relationship."""
    relationship = link.relationship
    target = relationship.mapper.class_
    if link.is_plain:
        chosen = select(*link.others.columns).where(*link.conditions(stored(instance, link)))
        found = select(target).where(members(link.others.locals).in_(chosen))
    else:
        linked = exists().where(with_parent(instance, getattr(type(instance), link.name)))
        found = select(target).where(linked.correlate(*relationship.mapper.tables))
    return found.order_by(*relationship.order_by) if relationship.order_by else found


def members(columns: Sequence[Any]) -> Any:
    """Return the column, or the tuple of several, that is looked for among values."""
    return columns[0] if len(columns) == 1 else tuple_(*columns)


def stored(instance: object, link: Link) -> InstanceState[Any]:
    """Return the state of an instance whose collection is written.

    Raises:
        NotSavedError: It is not stored.
        ConfigurationError: A column that links it is not loaded.
    """
    state: InstanceState[Any] = instance_state(instance)
    call = f"relation({link.name!r})"
    if state.key is None or state.was_deleted:
        raise NotSavedError(f"{instance!r} has no {call} yet: it has not been saved, or was deleted. Save it first.")
    if link.own.key_of(state) is None:
        raise not_loaded(instance)
    return state


def not_loaded(instance: object) -> ConfigurationError:
    """Return the error of an instance whose columns are unknown."""
    return ConfigurationError(
        f"{instance!r} cannot be linked: a column of its key is not loaded. Call its load() first."
    )
