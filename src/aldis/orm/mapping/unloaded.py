"""What to do instead, in the error of a relationship that is not loaded on an instance which no session holds.

``model.py`` asks for this once, for ``Model`` itself; SQLAlchemy's events then bring every class below it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.orm import RelationshipDirection, RelationshipProperty
from sqlalchemy.orm.exc import DetachedInstanceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import InstanceState
    from sqlalchemy.orm.attributes import QueryableAttribute

__all__ = ["advise_of_unloaded"]


class Loader:
    """Loads a relationship when it is read, as SQLAlchemy does; where it cannot, the error says what to do.

    Args:
        load: SQLAlchemy's function.
        relationship: The relationship.
    """

    __slots__ = ("load", "relationship")

    def __init__(self, load: Callable[..., Any], relationship: RelationshipProperty[Any]) -> None:
        self.load = load
        self.relationship = relationship

    def __call__(self, state: InstanceState[Any], *args: Any, **kwargs: Any) -> Any:
        """Load it."""
        try:
            return self.load(state, *args, **kwargs)
        except DetachedInstanceError as error:
            error.args = (f"{self.advice(state.class_)} {error.args[0]}", *error.args[1:])
            raise

    def advice(self, model: type[Any]) -> str:
        """Return what to do."""
        name, instance = self.relationship.key, model.__name__.lower()
        loads = f"{model.__name__}.query.options(selectinload({model.__name__}.{name})) loads it"
        unloaded = f"{instance}.{name} is not loaded"
        if self.relationship.direction is not RelationshipDirection.MANYTOMANY or self.relationship.viewonly:
            return f"{unloaded}: {loads}."
        call = f'await {instance}.relation("{name}")'
        return f"{unloaded}: {call}.add(...) and .remove(...) change it all the same; {loads}."


def advise_of_unloaded(base: type[Any]) -> None:
    """Add advice to the errors of relationships that cannot be loaded, of all classes below one.

    Args:
        base: ``aldis.Model``.
    """

    def attribute_instrument(_model: type[Any], _name: str, attribute: QueryableAttribute[Any]) -> None:
        relationship = getattr(attribute, "prop", None)  # not "property", which configures all mappers
        impl: Any = getattr(attribute, "impl", None)  # which is there when the mappers are configured
        load = getattr(impl, "callable_", None)
        if isinstance(relationship, RelationshipProperty) and load is not None and not isinstance(load, Loader):
            impl.callable_ = Loader(load, relationship)

    event.listen(base, "attribute_instrument", attribute_instrument, propagate=True)
