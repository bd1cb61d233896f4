"""Loaded collections show the links that ``relation()`` has written, and show the earlier ones after a rollback."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy.orm.attributes import set_committed_value

from ..mapping.many_to_many import cancel, committed_items, is_unloaded, items, key_or_id, put, record_of
from ..transactions.rollback import OfOne

if TYPE_CHECKING:
    from sqlalchemy.orm import InstanceState

__all__ = ["Relinked", "show"]


class Shown(NamedTuple):
    """The instances for which it was a change that their rows were written."""

    changed: list[Any]
    """The collection did not show them before, or does not any more."""
    settled: list[Any]
    """They did not count as stored before, or do not any more; of a collection that is not loaded: they waited."""


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
        waited = those_that_wait(state, name, is_linked)
        settled = [each for each in others if each in waited]
        if settled:
            cancel(state, name, settled, is_linked)
        return Shown([], settled)
    if not impl.collection:
        changed = [others[0] if is_linked else state.dict[name]]
        set_committed_value(state.obj(), name, others[0] if is_linked else None)
        return Shown(changed, changed)
    before = committed_items(state, name)
    after, settled = with_or_without(before, others, is_linked)
    # The copy that SQLAlchemy compares with: other changes stay to be written.
    if isinstance(state.committed_state.get(name), list):
        state.committed_state[name] = after
    return Shown(put(state.dict[name], others, is_linked), settled)


def those_that_wait(state: InstanceState[Any], name: str, are_added: bool) -> Any:
    """Return the instances whose addition to a collection that is not loaded, or removal, waits to be written."""
    record = record_of(state, name)
    if record is None:
        return set()
    return record.added_items if are_added else record.deleted_items


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
        if is_unloaded(impl) or name not in state.dict:
            those_that_wait(state, name, self.is_linked).update(self.shown.settled)
        elif not impl.collection:
            show(state, name, self.shown.changed, not self.is_linked)
        else:
            stored, _ = with_or_without(committed_items(state, name), self.shown.settled, not self.is_linked)
            put(state.dict[name], self.shown.changed, not self.is_linked)
            is_pending = {*map(id, stored)} != {*map(id, items(state, name))}
            if is_pending or isinstance(state.committed_state.get(name), list):
                state.committed_state[name] = stored
            self.put_in_order(state.dict[name])

    def put_in_order(self, collection: Any) -> None:
        """Give the items of a list the order that they had."""
        if self.order and isinstance(collection, list):
            places = {key_or_id(each): place for place, each in enumerate(self.order)}
            collection.sort(key=lambda each: places.get(key_or_id(each), len(places)))
