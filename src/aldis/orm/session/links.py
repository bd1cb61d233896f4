"""The signals of relations of one flush: the pairs of instances that it links by secondary tables, or not any more.

``Flush`` makes a :class:`Links` where somebody listens to the signals of a class that has many-to-many relationships.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.orm import InstanceState, RelationshipProperty
from sqlalchemy.orm.attributes import instance_state

from ...context import current
from ...dispatch import emitters
from ...errors import ConfigurationError, SkipOperation
from ...greenlets import wait_for
from ..internals import is_orphan, is_to_be_deleted, new_instances
from ..mapping.many_to_many import Pairs, cancel, pairs_to_delete, pairs_to_write
from ..meta import meta_of
from ..saving.firing import is_heard
from .linked_rows import LinkedRows

if TYPE_CHECKING:
    import blinker

    from ..mapping.many_to_many import Link
    from ..mapping.table import TableMapping
    from .flush import Flush
    from .row import Heard

__all__ = ["HeardLinks", "Links", "cancel_all", "heard_links"]

EMITTERS: Final[dict[str, tuple[Callable[..., Any], Callable[..., Any]]]] = {
    "add": (emitters.pre_relation_add, emitters.post_relation_add),
    "remove": (emitters.pre_relation_remove, emitters.post_relation_remove),
}

NONE: Final[tuple[Pairs, set[int], set[int]]] = (Pairs([], [], False), set(), set())
"""The changes of most collections in a flush: none."""

Pair = tuple[RelationshipProperty[Any], InstanceState[Any], InstanceState[Any], bool]
"""Two instances, by the first relationship of the two that link them, and whether they are linked from now on."""


class HeardLinks:
    """Who listens to the relations of a class: its signals before and after, where anybody does."""

    __slots__ = ("links", "model", "post", "pre", "rows")

    def __init__(self, flush: Flush, model: type[Any], mapping: TableMapping) -> None:
        signals = meta_of(model).signals
        self.model = model
        self.links = tuple(mapping.links.values())
        self.pre: dict[str, blinker.Signal] = {}
        self.post: dict[str, blinker.Signal] = {}
        for kind in EMITTERS:
            for when, found in (("pre", self.pre), ("post", self.post)):
                signal = signals[f"{when}_relation_{kind}"]
                if is_heard(signal, model):
                    found[kind] = signal
        self.rows: dict[str, Heard] = {}
        """Who listens to the rows of the classes that are mapped to secondary tables, by the relationship's name."""
        for link in self.links if mapping.associations else ():
            heard = None if link.association is None else flush.listeners_of(link.association)
            if heard is not None:
                self.rows[link.name] = heard


def heard_links(flush: Flush, model: type[Any], mapping: TableMapping) -> HeardLinks | None:
    """Return who listens to the relations of a class, or to their rows, if it has any, and anybody does."""
    if not mapping.links:
        return None
    heard = HeardLinks(flush, model, mapping)
    return heard if heard.pre or heard.post or heard.rows else None


class LinkChange:
    """The changes of one relation of one instance in a flush: one signal before, and one after."""

    __slots__ = ("heard", "instance", "is_of_deleted", "is_skipped", "kind", "link", "related", "state")

    def __init__(
        self, heard: HeardLinks, state: InstanceState[Any], link: Link, kind: str, is_of_deleted: bool
    ) -> None:
        self.heard = heard
        self.state = state
        self.instance = state.obj()
        """Held: nobody else may hold an instance that the flush deletes."""
        self.link = link
        self.kind = kind
        self.is_of_deleted = is_of_deleted
        """The instance is deleted."""
        self.related: list[Any] = []
        self.is_skipped = False

    def told(self) -> tuple[Any, ...]:
        """Return the parameters of the signals that both have."""
        return self.heard.model, self.instance, self.link.name, [*self.related], self.link.secondary


class Links:
    """The signals of the relations that one flush changes.

    A pair of instances whose both ends have a collection is told of once: by the end whose collection has the change;
    where both have it, by the class that was declared first.
    """

    def __init__(self, flush: Flush) -> None:
        self.flush = flush
        self.session = flush.session
        self.heard: dict[type[Any], HeardLinks] = {}
        self.told: dict[Pair, LinkChange] = {}
        self.changes: list[LinkChange] = []
        self.has_called = False
        """A receiver of a signal before was called."""
        self.rows = LinkedRows(flush)
        self.firsts: dict[Link, bool] = {}
        self.known: dict[tuple[InstanceState[Any], str], tuple[Pairs, set[int], set[int]]] = {}
        """The pairs of each collection, and their ids, as they are in this round."""

    def receivers(self) -> Iterator[Callable[..., Any]]:
        """Yield the receivers that may be called."""
        for heard in self.heard.values():
            for signal in itertools.chain(heard.pre.values(), heard.post.values()):
                yield from signal.receivers_for(heard.model)

    async def before(self) -> bool:
        """Fire the signals before, of the pairs of which nothing was told yet; tell whether any receiver was called."""
        fresh = await self.fresh()
        calls = [change for change in fresh if change.kind in change.heard.pre or change.link.name in change.heard.rows]
        for change in calls:
            await self.emit_before(change)
        self.has_called = self.has_called or bool(calls)
        return bool(calls)

    async def fresh(self) -> list[LinkChange]:
        """Return the changes of which nothing was told yet; removals go first, as in the flush."""
        self.known = {}
        found: list[LinkChange] = []
        for state in self.states():
            heard = self.heard[state.class_]
            for link in heard.links:
                pairs, *_ = await self.pairs(state, link.name)
                for kind, related in (("remove", pairs.removed), ("add", pairs.added)):
                    if related:
                        change = LinkChange(heard, state, link, kind, self.is_deleted(state))
                        await self.take(change, related, pairs.is_loaded)
                        found += [change] if change.related else []
        self.changes += found
        return found

    async def take(self, change: LinkChange, related: list[Any], is_loaded: bool) -> None:
        """Take those of the pairs of which nothing was told yet, and of which this end tells.

        Args:
            change: The change that they are part of.
            related: The instances at the other end.
            is_loaded: They are changes of a collection that is there.
        """
        told, link, state, is_added = self.told, change.link, change.state, change.kind == "add"
        reverse = link.reverse
        is_first = reverse is None or self.is_first(link, reverse)
        for other in related:
            theirs = instance_state(other)
            if reverse is None or is_first:
                pair = (link.relationship, state, theirs, is_added)
            else:
                pair = (reverse, theirs, state, is_added)
            if pair in told:
                continue
            if reverse is not None and reverse.key in theirs.manager and self.takes_part(theirs):
                end = self.known.get((theirs, reverse.key)) or await self.pairs(theirs, reverse.key)
                if id(change.instance) in end[1 if is_added else 2]:  # both ends have it
                    is_mine = is_first if is_loaded is end[0].is_loaded else is_loaded
                    if not is_mine:
                        continue
            told[pair] = change
            change.related.append(other)

    def states(self) -> list[InstanceState[Any]]:
        """Return the states of the instances that the flush writes, and to whose relations somebody listens."""
        session = self.session
        instances = itertools.chain(list(new_instances(session).values()), session.dirty, session.deleted)
        states = (instance_state(each) for each in instances if type(each) in self.heard)
        return [state for state in states if self.takes_part(state)]

    def takes_part(self, state: InstanceState[Any]) -> bool:
        """Tell whether the flush writes an instance."""
        return self.flush.only is None or state in self.flush.only

    def is_deleted(self, state: InstanceState[Any]) -> bool:
        """Tell whether the flush deletes an instance."""
        return is_to_be_deleted(self.session, state) or (state.key is not None and is_orphan(state))

    async def pairs(self, state: InstanceState[Any], name: str) -> tuple[Pairs, set[int], set[int]]:
        """Return the pairs of a collection that the flush changes, and the ids of those that it adds and removes."""
        known = self.known.get((state, name))
        if known is None:
            if not self.is_deleted(state):
                if state.mapper.relationships[name].uselist:
                    pairs = pairs_to_write(state, name)
                else:  # its old value may have to be loaded
                    pairs = await self.flush.call(pairs_to_write, state, name)
                if not pairs.added and not pairs.removed:
                    return NONE
            elif state.mapper.relationships[name].passive_deletes:
                pairs = Pairs([], [], False)
            else:
                pairs = await self.flush.call(pairs_to_delete, state, name)
            known = self.known[state, name] = self.with_ids(pairs)
        return known

    def with_ids(self, pairs: Pairs) -> tuple[Pairs, set[int], set[int]]:
        """Return pairs, without those of instances that are not in the session, which a flush passes over."""
        added, removed = ([each for each in found if each is not None and each in self.session] for found in pairs[:2])
        return Pairs(added, removed, pairs.is_loaded), set(map(id, added)), set(map(id, removed))

    def is_first(self, link: Link, reverse: RelationshipProperty[Any]) -> bool:
        """Tell whether a relationship is that of the class which comes first, of the two at the ends."""
        found = self.firsts.get(link)
        if found is None:
            found = self.firsts[link] = place(link.relationship) <= place(reverse)
        return found

    async def emit_before(self, change: LinkChange) -> None:
        """Fire the signal before a change; one that a receiver skips is taken out of the collections.

        Raises:
            ConfigurationError: A receiver skips a part of a deletion.
        """
        signal = change.heard.pre.get(change.kind)
        try:
            with current(change.instance, change.instance, None):
                if signal is not None and (rest := EMITTERS[change.kind][0](signal, *change.told())) is not None:
                    await rest
        except SkipOperation:
            refuse_to_keep(change, "pre_relation_remove")
            change.is_skipped = True
            cancel_pairs(change.state, change.link, change.related, change.kind == "add")
            return
        heard = change.heard.rows.get(change.link.name)
        if heard is not None:
            await self.emit_before_rows(change, heard)

    async def emit_before_rows(self, change: LinkChange, heard: Heard) -> None:
        """Fire the signals before, of the rows of a class that is mapped to the secondary table.

        Raises:
            ConfigurationError: A receiver skips a part of a deletion.
        """
        left: list[Any]
        if change.kind == "add":
            insert = self.rows.before_insert
            left = [each for each in change.related if await insert(heard, change.state, change.link, each)]
        else:
            left = await self.rows.before_delete(heard, change.state, change.link, change.related)
            if left:
                refuse_to_keep(change, "pre_delete")
        cancel_pairs(change.state, change.link, left, change.kind == "add")
        change.related = [each for each in change.related if not any(each is other for other in left)]

    async def settle(self) -> None:
        """Leave out instances that receivers have taken out of the collections since they were told of."""
        self.known = {}
        has_called = self.has_called or any(heard is not None and heard.pre for heard in self.flush.heard.values())
        for change in self.changes if has_called else ():
            if not change.is_skipped and not change.is_of_deleted:
                is_added = change.kind == "add"
                there = [await self.is_there(change.state, change.link, each, is_added) for each in change.related]
                change.related = list(itertools.compress(change.related, there))
        if self.rows.inserted:
            there = [await self.is_there(state, link, each, True) for _, state, link, each in self.rows.inserted]
            await self.rows.watch(there)

    async def is_there(self, state: InstanceState[Any], link: Link, other: object, is_added: bool) -> bool:
        """Tell whether the flush will write a pair, as the collection of one of its ends says."""
        ends = [(state, link.name, other)]
        if link.reverse is not None and link.reverse.key in instance_state(other).manager:
            ends.append((instance_state(other), link.reverse.key, state.obj()))
        for owner, name, related in ends:
            _, added, removed = await self.pairs(owner, name)
            if id(related) in (added if is_added else removed):
                return True
        return False

    def late(self, state: InstanceState[Any]) -> None:
        """Fire the signals before, of an instance that only the flush itself finds to be deleted.

        Raises:
            ConfigurationError: A receiver raised :class:`SkipOperation`; it is too late for that.
        """
        heard = self.heard.get(state.class_)
        if heard is None or is_to_be_deleted(self.session, state):
            return
        pending: list[tuple[LinkChange, list[Any]]] = []
        for link in heard.links:
            if link.relationship.passive_deletes:
                continue
            change = LinkChange(heard, state, link, "remove", True)
            known = self.known[state, link.name] = self.with_ids(pairs_to_delete(state, link.name))
            pending.append((change, known[0].removed))

        async def emit() -> None:
            async with self.flush.around():
                for change, removed in pending:
                    await self.take(change, removed, True)
                    if change.related:
                        self.changes.append(change)
                        await self.emit_before(change)

        if any(removed for _, removed in pending):
            wait_for(emit(), self.flush.receivers())

    async def after(self) -> None:
        """Fire the signals after."""
        for change in self.changes:
            signal = change.heard.post.get(change.kind)
            if signal is None:
                continue
            instance = change.instance
            count = 0 if change.is_skipped else len(change.related)
            with current(instance, instance, None):
                rest = EMITTERS[change.kind][1](signal, *change.told(), count, change.is_skipped)
                if rest is not None:
                    await rest
        self.rows.let_go()


def refuse_to_keep(change: LinkChange, signal: str) -> None:
    """Refuse to keep the rows of an instance that is deleted.

    Raises:
        ConfigurationError: It is.
    """
    if change.is_of_deleted:
        raise ConfigurationError(
            f"a receiver of {signal} raised SkipOperation for {change.link.name!r} of {change.instance!r}, which is "
            "being deleted: its rows cannot stay. Raise SkipOperation in a receiver of its own pre_delete."
        ) from None


def place(relationship: RelationshipProperty[Any]) -> tuple[int, int]:
    """Return where a relationship stands: by its class, in the order of their declaration, and in its class."""
    mapper = relationship.parent
    table: Any = mapper.local_table
    metadata = getattr(table, "metadata", None)
    number = -1 if metadata is None else list(metadata.tables.values()).index(table)
    return number, list(mapper.relationships.keys()).index(relationship.key)


def cancel_pairs(state: InstanceState[Any], link: Link, others: list[Any], is_added: bool) -> None:
    """Take pairs of an instance and others out of the collections of both ends."""
    if not others:
        return
    cancel(state, link.name, others, is_added)
    if link.reverse is None:
        return
    name, own = link.reverse.key, [state.obj()]
    for theirs in map(instance_state, others):
        if name in theirs.manager:
            cancel(theirs, name, own, is_added)


def cancel_all(state: InstanceState[Any], mapping: TableMapping) -> None:
    """Take all that a flush would change of an instance's relations out of the collections of both ends."""
    for link in mapping.links.values():
        pairs = pairs_to_write(state, link.name)
        cancel_pairs(state, link, [each for each in pairs.added if each is not None], True)
        cancel_pairs(state, link, [each for each in pairs.removed if each is not None], False)
