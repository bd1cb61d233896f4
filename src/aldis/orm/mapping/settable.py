"""The attributes that a caller may set by name: those that a class declares, and no method or part of Python's own.

``save(values=)``, ``update()``, ``create()`` and the bulk methods come here, whose names may be a stranger's JSON.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.util import get_annotations

from ...errors import UnknownAttributeError
from .instance_state import STATE
from .members import MADE, forget_links
from .table import TableMapping, attribute, hint, mapper_of, mapping_of

__all__ = [
    "Noting",
    "check_fields",
    "columns_named",
    "new_instance",
    "note_made",
    "refuse_unsettable",
    "set_attributes",
    "sets_links",
]


class Noting(dict[str, Any]):
    """The old values of an instance whose attributes are being set, which note the names of these.

    SQLAlchemy asks whether it has the old value of each attribute that is set (``InstanceState._modified_event``).
    """

    def __init__(self, committed: Mapping[str, Any]) -> None:
        super().__init__(committed)
        self.names: set[object] = set()

    def __contains__(self, name: object) -> bool:
        """Tell whether there is an old value of an attribute, and note its name."""
        self.names.add(name)
        return super().__contains__(name)


def set_attributes(mapping: TableMapping, instance: object, values: Mapping[str, Any]) -> None:
    """Set attributes by name; none, where one of them cannot be set.

    Args:
        mapping: The mapping of the instance's class.
        instance: The instance.
        values: The values, by attribute name.

    Raises:
        UnknownAttributeError: A name is no attribute of the class, or none that can be set.
    """
    if not mapping.settable.issuperset(values):
        refuse_unsettable(type(instance), values)
    for name, value in values.items():
        setattr(instance, name, value)


def new_instance(model: type[Any], values: Mapping[str, Any]) -> Any:
    """Make an instance by its class's own constructor.

    SQLAlchemy's takes whatever the class has, methods and ``__dict__`` included.

    Raises:
        UnknownAttributeError: A name is something of the class that cannot be set.
        TypeError: The constructor has no parameter of that name.
    """
    mapping = mapping_of(model)
    if not values.keys() <= mapping.settable:
        parameters = inspect.signature(model.__init__).parameters
        # A name that the class does not have is for the constructor to judge, and so is a parameter of its own.
        refuse_unsettable(model, [name for name in values if name not in parameters and has(model, name)])
    if not sets_links(mapping, values):
        return model(**values)
    if type(model).__call__ is type.__call__:  # done here, for an instance that was half made is linked with others
        made: Any = model  # its __new__, not that of type
        instance = made.__new__(model, **values)
        try:
            if isinstance(instance, model):
                type(instance).__init__(instance, **values)
        except BaseException:
            if STATE in instance.__dict__:
                forget_links(instance_state(instance))
            raise
    else:
        instance = model(**values)
    note_made(instance)
    return instance


def sets_links(mapping: TableMapping, values: Mapping[str, Any]) -> bool:
    """Tell whether values, by attribute name, link an instance with others."""
    return bool(mapping.relationships) and not values.keys().isdisjoint(mapping.relationships)


def note_made(instance: object) -> None:
    """Note, for whoever puts the call back, that it has made an instance that is linked with others."""
    instance_state(instance).info[MADE] = True


def refuse_unsettable(model: type[Any], names: Iterable[str]) -> None:
    """Refuse names that are no attributes of a class, and those that it does not declare.

    Raises:
        UnknownAttributeError: A name is no attribute of the class, or none that can be set.
    """
    for name in names:
        if not isinstance(name, str):
            raise UnknownAttributeError(
                f"{name!r} is no name of an attribute of {model.__name__}: values go by name, {{'name': ...}}."
            )
        if not has(model, name):
            attribute(model, name)
        elif not is_settable(model, name):
            known = mapping_of(model).settable
            raise UnknownAttributeError(
                f"{name!r} of {model.__name__} cannot be set by name: it is no mapped attribute, no hybrid or property "
                f"with a setter, and no declared field.{hint(name, known)}"
            )


def has(model: type[Any], name: str) -> bool:
    """Tell whether a class has an attribute, mapped or not."""
    # Not hasattr(), which asks a hybrid attribute for its SQL, and that may raise anything.
    return any(name in each.__dict__ for each in model.__mro__)


def is_settable(model: type[Any], name: str) -> bool:
    """Tell whether a class declares an attribute that can be set."""
    mapped = mapper_of(model).all_orm_descriptors.get(name)
    if mapped is not None:
        # By the name of its kind: the module of hybrids is imported only by programs that have some.
        kind = mapped.extension_type.value
        return getattr(mapped, "fset", None) is not None if kind == "HYBRID_PROPERTY" else kind != "HYBRID_METHOD"
    if name.startswith("_"):
        return False
    found = next(each.__dict__[name] for each in model.__mro__ if name in each.__dict__)
    if isinstance(found, property):
        return found.fset is not None
    return any(is_field(each, name) for each in model.__mro__)


def is_field(owner: type[Any], name: str) -> bool:
    """Tell whether a class annotates a name as an attribute of its instances, as dataclasses and pydantic do."""
    annotation = get_annotations(owner).get(name)
    return annotation is not None and "ClassVar" not in str(annotation)


def check_fields(model: type[Any], names: Sequence[str], parameter: str) -> None:
    """Refuse names that are no columns.

    Args:
        model: The mapped class.
        names: The names.
        parameter: The parameter that they were given by.

    Raises:
        TypeError: The names are one string.
        UnknownAttributeError: A name is no attribute of the class, or no column.
    """
    if isinstance(names, str):
        raise TypeError(f"{parameter} is {names!r}: give a sequence of names, [{names!r}].")
    for name in names:
        attribute(model, name)
        if name not in mapping_of(model).keys:
            raise UnknownAttributeError(f"{name!r} in {parameter} is no column of {model.__name__}.")


def columns_named(model: type[Any], names: Sequence[str], parameter: str) -> dict[str, list[str]]:
    """Return the columns that names stand for: a synonym's is another's, a composite has several.

    Args:
        model: The mapped class.
        names: The names.
        parameter: The parameter that they were given by.

    Returns:
        The attributes of the columns, by name.

    Raises:
        TypeError: The names are one string.
        UnknownAttributeError: A name is no attribute of the class, or has no column.
    """
    mapper = mapper_of(model)
    found: dict[str, list[str]] = {}
    for name in [] if isinstance(names, str) else names:
        own = mapper.synonyms[name].name if name in mapper.synonyms else name
        composite = mapper.composites.get(own)
        found[name] = [own] if composite is None else [each.key for each in composite.props]
    check_fields(model, names if isinstance(names, str) else [*chain(*found.values())], parameter)
    return found
