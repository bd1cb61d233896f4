"""Loaded collections show the links that ``relation()`` has written, and show the earlier ones after a rollback."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy.orm.base import LoaderCallableStatus

from ..mapping.many_to_many import cancel, committed_items, is_unloaded, items, key_or_id, put, waiting_of
from ..transactions.rollback import OfOne

if TYPE_CHECKING:
    from sqlalchemy.orm import InstanceState

__all__ = ["Relinked", "show"]


class Shown(NamedTuple):
    """The instances for which it was a change that their rows were written.

    Of a scalar: the one that it showed, and the one that counted as stored beside it, if they were two.
    """

    changed: list[Any]
    """The collection did not show them before, or does not any more."""
    settled: list[Any]
    """They did not count as stored before, or do not any more; where the collection is not loaded: this waited."""


def show(state: InstanceState[Any], name: str, others: Sequence[object], is_linked: bool) -> Shown:
    """Let a collection show the rows that were written; that is no change to write any more.

    Args:
        state: The state of the instance that has the collection.
        name: The relationship.
        others: The instances that are linked now, or not any more.
        is_linked: They are linked.
    """
    impl: Any = state.manager[name].impl
    if is_unloaded(impl) or name not in state.dict:
        contrary, same = waiting_of(state, name, not is_linked), waiting_of(state, name, is_linked)
        shown = Shown([each for each in others if each in contrary], [each for each in others if each in same])
        for waiting, is_added in ((shown.changed, not is_linked), (shown.settled, is_linked)):
            if waiting:
                cancel(state, name, waiting, is_added)
        return shown
    if not impl.collection:
        return show_scalar(state, name, others, is_linked)
    before = committed_items(state, name)
    after, settled = with_or_without(before, others, is_linked)
    # The copy that SQLAlchemy compares with: other changes stay to be written.
    if isinstance(state.committed_state.get(name), list):
        state.committed_state[name] = after
    return Shown(put(state.dict[name], others, is_linked), settled)


def show_scalar(state: InstanceState[Any], name: str, others: Sequence[object], is_linked: bool) -> Shown:
    """Let a relationship of one instance show the row that was written."""
    value = state.dict[name]
    earlier = [state.committed_state[name]] if name in state.committed_state else []
    if is_linked or is_among(others, value):
        state.dict[name] = others[0] if is_linked else None
        state.committed_state.pop(name, None)
    elif earlier and is_among(others, earlier[0]):
        state.committed_state[name] = None
    else:
        return Shown([], [])
    return Shown([value], earlier)


def is_among(instances: Sequence[object], value: object) -> bool:
    """Tell whether a scalar's value, which may be none or not loaded, is one of the instances."""
    if value is None or isinstance(value, LoaderCallableStatus):
        return False
    return key_or_id(value) in set(map(key_or_id, instances))


def with_or_without(instances: list[Any], others: Sequence[object], is_with: bool) -> tuple[list[Any], list[Any]]:
    """Return instances with others, or without them, and those for which that is a change."""
    keys, among = set(map(key_or_id, others)), set(map(key_or_id, instances))
    left = [each for each in instances if key_or_id(each) not in keys]
    if is_with:
        return [*left, *others], [each for each in others if key_or_id(each) not in among]
    return left, [each for each in instances if key_or_id(each) in keys]


class Relinked(OfOne):
    """The changes that an operation has shown in a collection, for its rollback.

    Args:
        state: The state of the instance that has the collection.
        name: The relationship.
        shown: The instances that were linked, or not any more.
        is_linked: They were linked.
        order: The items of the collection in their order, if some were taken out.
    """

    __slots__ = ("is_linked", "name", "order", "shown")

    is_whole = False

    def __init__(
        self, state: InstanceState[Any], name: str, shown: Shown, is_linked: bool, order: Sequence[object]
    ) -> None:
        super().__init__(state)
        self.name = name
        self.shown = shown
        self.is_linked = is_linked
        self.order = order

    def put_back(self) -> None:
        """Give the collection its old items again, if it is still there; changes that waited wait again."""
        state = self.state()
        if state is None:
            return
        name, impl = self.name, state.manager[self.name].impl
        changed, settled = self.shown
        if is_unloaded(impl) or name not in state.dict:
            waiting_of(state, name, not self.is_linked).update(changed)
            waiting_of(state, name, self.is_linked).update(settled)
        elif not impl.collection:
            state.dict[name] = changed[0]
            state.committed_state.pop(name, None)
            for earlier in settled:
                state.committed_state[name] = earlier
        else:
            stored, _ = with_or_without(committed_items(state, name), settled, not self.is_linked)
            put(state.dict[name], changed, not self.is_linked)
            is_pending = {*map(id, stored)} != {*map(id, items(state, name))}
            if is_pending or isinstance(state.committed_state.get(name), list):
                state.committed_state[name] = stored
            self.put_in_order(state.dict[name])

    def put_in_order(self, collection: Any) -> None:
        """Give the items of a list the order that they had."""
        if self.order and isinstance(collection, list):
            places = {key_or_id(each): place for place, each in enumerate(self.order)}
            collection.sort(key=lambda each: places.get(key_or_id(each), len(places)))
