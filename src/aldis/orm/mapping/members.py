"""The members of an instance's loaded collections, which receivers may change in place: kept, and given back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sqlalchemy.orm import InstanceState

__all__ = ["COLLECTIONS", "Members", "give_members_back", "members_of"]

Members = Sequence[tuple[str, list[Any]]]
"""The names of collections, and the members of each."""

COLLECTIONS: Final = "aldis collections"
"""Where a class manager has the names of its collections; a class without any costs no call."""


def members_of(state: InstanceState[Any]) -> Members:
    """Return the members of an instance's loaded collections, by their names: receivers may change these in place."""
    names = state.manager.info.get(COLLECTIONS)
    if names is None:
        names = collections_of(state)
    if not names:
        return ()
    adapters = [(name, getattr(state.dict.get(name), "_sa_adapter", None)) for name in names]
    return [(name, [*adapter]) for name, adapter in adapters if adapter is not None] or ()


def give_members_back(state: InstanceState[Any], members: Members, shown: Sequence[Any]) -> None:
    """Give the collections of an instance, which has its earlier values again, their members.

    Args:
        state: The state of the instance.
        members: The members; see :func:`members_of`.
        shown: The collections that it had until now, ``None`` for one that was not there.
    """
    if members:
        from .many_to_many import put_members_back  # here: most classes have no collections, and it imports this

        for (name, each), until_now in zip(members, shown, strict=True):
            put_members_back(state, name, each, until_now)


def collections_of(state: InstanceState[Any]) -> tuple[str, ...]:
    """Return the names of the relationships of a class whose values are collections; keep them for the next time."""
    impls: dict[str, Any] = {each.key: state.manager[each.key].impl for each in state.mapper.relationships}
    names = tuple(name for name, impl in impls.items() if impl.collection and not getattr(impl, "dynamic", False))
    state.manager.info[COLLECTIONS] = names
    return names
