"""Docstrings of instances, kept out of their ``__dict__``."""

from __future__ import annotations

from typing import Any, Final, TypeVar

__all__ = ["with_own_docstring"]

C = TypeVar("C", bound=type[Any])


class OwnDocstring:
    """The ``__doc__`` of a class, and of its instances: an instance that was given none has that of the class.

    Args:
        of_class: The docstring of the class.
    """

    def __init__(self, of_class: str | None) -> None:
        self.of_class: Final = of_class

    def __get__(self, instance: Any, owner: type[Any]) -> str | None:
        return getattr(instance, "_doc", self.of_class)

    def __set__(self, instance: Any, doc: str | None) -> None:
        instance._doc = doc


def with_own_docstring(cls: C) -> C:
    """Let the instances of a class, which has a slot ``_doc``, have docstrings of their own."""
    cls.__doc__ = OwnDocstring(cls.__doc__)  # type: ignore[assignment]
    return cls
