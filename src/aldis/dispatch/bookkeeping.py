"""Who is connected to a signal: the cold half of dispatch, from which the plans are made."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Final, cast

import blinker
from blinker._utilities import make_ref

from ..errors import SignalError
from . import core, delivery, plans
from .ledger import LEDGER, Bucket
from .on_request import note_asking
from .places import FEW, SAME_PLACE, place_of
from .plan_code import renew
from .receiver import describe
from .records import PLAIN, Options, Receiver
from .row_receivers import note_listening
from .sender import refuse_unknowable

__all__ = ["ANY_KEY", "Bookkeeping"]

ANY_KEY: Final = core.ANY_KEY


class Bookkeeping(core.Dispatch, blinker.Signal):
    """The receivers of a signal, by sender, and their records.

    What it has is in slots: since 3.12, CPython finds a method at once where an object has an empty ``__dict__``, or
    has it within itself, which an object of a compiled class has not.
    """

    __slots__ = (
        "_bases",
        "_by_receiver",
        "_by_sender",
        "_connected_to_any",
        "_doc",
        "_receiver_connected",
        "_receiver_disconnected",
        "_records",
        "_rendered",
        "_special",
        "_weak_senders",
        "receivers",
    )

    _parameters: Mapping[str | None, tuple[str, ...]] | None = None
    _is_of_rows = False
    """Statements over many rows fire it: it has its place among a model's signals."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        core.give_own_methods(cls)

    def _begin(self) -> None:
        """Begin with no receiver."""
        self.receivers: dict[Any, weakref.ref[Callable[..., Any]] | Callable[..., Any]] = {}
        self._records: dict[Any, Receiver] = {}
        self._special: dict[Any, dict[Any, Receiver]] = {}
        """The records of connections that have options, by sender and receiver."""
        self._by_receiver: dict[Any, Bucket] = {}  # type: ignore[assignment]
        # A sender's receiver stands at 2n, n being the number of receivers that were connected to ANY before it,
        # and the n-th of these at 2n + 1: the order across both is kept by numbers that many entries share. A receiver
        # of a class and those below it counts as one of ANY.
        self._by_sender: dict[Any, Bucket] = {}  # type: ignore[assignment]
        self._connected_to_any = 0
        self._weak_senders: dict[Any, weakref.ref[Any]] = {}
        self._bases: dict[Any, int] = {}
        self._rendered: weakref.ref[core.Plan] | None = None
        """The plan that was rendered last: many senders have the same receivers, and their plans the same functions."""
        self._receiver_connected: Any = None
        self._receiver_disconnected: Any = None

    def _connect(self, receiver: Callable[..., Any], sender: Any, weak: bool, options: Options) -> None:
        """Connect a receiver to a sender, or give the connection other options; it keeps its place then."""
        key = ANY_KEY if sender is blinker.ANY else core.sender_key(sender)
        if type(key) is not int:
            refuse_unknowable(sender)
        receiver_id = core.sender_key(receiver)
        with LEDGER:
            bucket = self._by_sender.get(key)
            if bucket is None and key != ANY_KEY:
                refuse_unknowable(sender)
            record = self._records.get(receiver_id)
            if record is not None and not record.is_as_read():
                record.renew(receiver)
                if record.asks:
                    note_asking(None)
                self._forget(ANY_KEY)
            if self._parameters is not None:
                self._check(receiver, record, sender, options)
            if record is None or record.is_weak is not weak:
                record = self._admit(receiver_id, receiver, weak)
            if bucket is None:
                bucket = self._open(key, sender)
            if receiver_id not in bucket:
                place = 2 * self._connected_to_any
                if key == ANY_KEY or options.subclasses:
                    place += 1
                    self._connected_to_any += 1
                bucket[receiver_id] = place
                keys = self._by_receiver.get(receiver_id)
                if keys is None:
                    keys = self._by_receiver[receiver_id] = Bucket()
                keys[key] = SAME_PLACE if len(keys) >= FEW else place_of(sys._getframe(2))
            if options is not PLAIN or key in self._special:
                record = self._set_options(key, receiver_id, record, receiver, options)
            if record.asks:
                note_asking(None if key == ANY_KEY else sender)
            if options.rows:
                note_listening(None if key == ANY_KEY else sender)
            self._forget(key)

    def _check(self, receiver: Callable[..., Any], record: Receiver | None, sender: Any, options: Options) -> None:
        """Refuse a receiver that could never be called; only for a signal that knows its parameters."""
        raise NotImplementedError

    def _admit(self, receiver_id: Hashable, receiver: Callable[..., Any], weak: bool) -> Receiver:
        """Record the receiver, once for all of its senders; as in blinker, the last connect decides on ``weak``."""
        reference: Any = receiver
        if weak:
            try:
                reference = make_ref(receiver, self._make_cleanup_receiver(receiver_id))
            except TypeError:
                raise SignalError(
                    f"cannot connect {describe(receiver)} weakly: a {type(receiver).__name__} takes no weak "
                    "references. Connect it with weak=False."
                ) from None
        self.receivers[receiver_id] = reference
        record = self._records[receiver_id] = Receiver(receiver, reference)
        for key in list(self._by_receiver.get(receiver_id, ())):
            special = self._special.get(key, {})
            if receiver_id in special:
                special[receiver_id] = Receiver(receiver, reference, special[receiver_id].options)
            self._forget(key)
        return record

    def _set_options(
        self, key: Hashable, receiver_id: Hashable, record: Receiver, receiver: Callable[..., Any], options: Options
    ) -> Receiver:
        """Give one connection its options; return its record."""
        before = self._drop_options(key, receiver_id)
        if options is not PLAIN:
            record = self._special.setdefault(key, {})[receiver_id] = Receiver(receiver, record.reference, options)
        if options.subclasses:
            self._bases[key] = self._bases.get(key, 0) + 1
        if options.subclasses or (before is not None and before.options.subclasses):
            self._forget(ANY_KEY)
        return record

    def _drop_options(self, key: Hashable, receiver_id: Hashable) -> Receiver | None:
        """Let one connection have no options; return the record that it had."""
        special = self._special.get(key)
        if special is None:
            return None
        record = special.pop(receiver_id, None)
        if not special:
            self._special.pop(key, None)
        if record is not None and record.options.subclasses:
            self._bases[key] -= 1
            if not self._bases[key]:
                del self._bases[key]
            self._forget(ANY_KEY)
        return record

    def _record(self, key: Hashable, receiver_id: Hashable) -> Receiver | None:
        """Return the record of one connection."""
        if self._special and key in self._special and receiver_id in self._special[key]:
            return self._special[key][receiver_id]
        return self._records.get(receiver_id)

    def _open(self, key: Hashable, sender: Any) -> Bucket:
        """Make room for a sender's receivers. It is watched, so that no other object at its address passes for it."""
        if key != ANY_KEY and key not in self._weak_senders:
            try:  # noqa: SIM105 - suppress() takes longer than the reference
                self._weak_senders[key] = make_ref(sender, self._make_cleanup_sender(key))
            except TypeError:
                pass  # a str or an int is known by value; a tuple, or object(), has to be disconnected by hand
        bucket = self._by_sender[key] = Bucket()
        return bucket

    def _disconnect(self, receiver_id: Hashable, sender_id: Hashable) -> None:
        with LEDGER:
            if sender_id == ANY_KEY:
                gone = (self.receivers.pop(receiver_id, None), self._records.pop(receiver_id, None))
                for key in self._by_receiver.pop(receiver_id, ()):
                    self._leave(key, receiver_id)
                del gone
            else:
                self._leave(sender_id, receiver_id)
                self._by_receiver.get(receiver_id, Bucket()).pop(sender_id, None)

    def _leave(self, key: Hashable, receiver_id: Hashable) -> None:
        bucket = self._by_sender.get(key)
        if bucket is not None and bucket.pop(receiver_id, None) is not None:
            self._drop_options(key, receiver_id)
            self._forget(key)

    def _find_by_bases(self, sender: Any) -> core.Plan | None:
        """Return the plan of a class that may be below one whose receivers hear all classes below it."""
        if not isinstance(sender, type):
            return None
        with LEDGER:
            key = core.sender_key(sender)
            if key not in self._by_sender:
                self._open(key, sender)
            return self._make_plan(key)

    def _make_plan(self, key: Any) -> core.Plan:
        """Make the plan of a sender, or that of :data:`ANY`, and keep it until somebody connects or disconnects.

        Another thread may have made it, or have connected to the sender, since the caller looked.
        """
        with LEDGER:
            bases = self._heard_bases(key)
            if not self._by_sender.get(key) and not bases and (key == ANY_KEY or not self._bases):
                if key in self._plans and key != ANY_KEY:
                    self._drop(key)
                key = ANY_KEY
            known = self._plans.get(key)
            if known is not None:
                return known  # a second plan in its place would not be voided with it
            heard = [key, *bases, ANY_KEY] if key != ANY_KEY and self._by_sender.get(ANY_KEY) else [key, *bases]
            plan = self._plans[key] = self._plan_of(heard)
            return plan

    def _plan_of(self, keys: Sequence[Any]) -> core.Plan:
        """Return a new plan of the receivers that are connected to some senders, in order."""
        if len(keys) == 1 and not self._special:
            # They stand in order. A copy: an object's __del__ may connect or disconnect while this loops, in this very
            # thread.
            found = [self._records.get(each) for each in self._by_sender.get(keys[0], Bucket()).copy()]
            records = [record for record in found if record is not None]
        else:
            places, nearest = self._nearest(keys)
            entries = [(places[each], self._record(nearest[each], each)) for each in places]
            entries.sort(key=lambda entry: entry[0])
            records = [record for _, record in entries if record is not None]
            records.sort(key=lambda record: -record.priority)
        return core.Plan(records, delivery.stand_in(self, records))

    def _heard_bases(self, key: Any) -> Sequence[Any]:
        """Return the keys of the classes above a sender whose receivers hear all classes below them, nearest first."""
        reference = self._weak_senders.get(key) if self._bases else None
        sender = None if reference is None else reference()
        if not isinstance(sender, type):
            return ()
        return [id(base) for base in type.mro(sender)[1:] if id(base) in self._bases]

    def _nearest(self, keys: Sequence[Any]) -> tuple[dict[Any, int], dict[Any, Any]]:
        """Return the place of each receiver, where it stood first, and by which key it is heard: the nearest."""
        places: dict[Any, int] = {}
        nearest: dict[Any, Any] = {}
        for position, key in enumerate(keys):
            # A copy: an object's __del__ may connect or disconnect while this loops, in this very thread.
            for receiver_id, place in self._by_sender.get(key, Bucket()).copy().items():
                if position and key != ANY_KEY:
                    record = self._record(key, receiver_id)
                    if record is None or not record.options.subclasses:
                        continue
                if receiver_id in places:
                    places[receiver_id] = min(places[receiver_id], place)
                else:
                    places[receiver_id], nearest[receiver_id] = place, key
        return places, nearest

    def _render(self, plan: core.Plan, kind: int, names: tuple[str, ...], with_twins: bool) -> Any:
        """Return the function of a plan, rendered; ``None``: the send goes the slow way."""
        like = None if self._rendered is None else self._rendered()
        function = None if like is None else plan.take_over(like, kind, names, with_twins)
        if function is None:
            function = plans.render(weakref.ref(self), plan, kind, names, with_twins)
            self._rendered = weakref.ref(plan)
        return function

    def _send(self, plan: core.Plan, sender: Any, wrapper: Any, keywords: dict[str, Any]) -> list[tuple[Any, Any]]:
        """Send to plain functions the slow way."""
        self._renew(plan.receivers)
        return delivery.send(self, plan.receivers, sender, wrapper, keywords)

    async def _send_async(
        self, plan: core.Plan, sender: Any, wrapper: Any, keywords: dict[str, Any]
    ) -> list[tuple[Any, Any]]:
        """Send to coroutine functions the slow way."""
        self._renew(plan.receivers)
        return await delivery.send_async(self, plan.receivers, sender, wrapper, keywords)

    def _renew(self, records: Sequence[Receiver]) -> None:
        """Read the receivers again whose code is another than it was, and forget the plans that were made for it."""
        if renew(records):
            with LEDGER:
                self._forget(ANY_KEY)

    def _names_of(self, sender: Any) -> tuple[str, ...]:
        """Return the names of the signal's parameters, if it knows them."""
        raise SignalError(
            f"{self!r} does not know its parameters: name them, plan(sender, names), or make it with Signal.of()."
        )

    def _make_cleanup_receiver(self, receiver_id: Hashable) -> Callable[[weakref.ref[Callable[..., Any]]], None]:
        def cleanup(reference: weakref.ref[Callable[..., Any]]) -> None:
            def strike() -> None:
                # Another receiver may have its id by now.
                if self.receivers.get(receiver_id) is reference:
                    self._disconnect(receiver_id, ANY_KEY)

            if not sys.is_finalizing():
                LEDGER.deaths.append(strike)
                LEDGER.strike_out()

        return cleanup

    def _make_cleanup_sender(self, sender_id: Hashable) -> Callable[[weakref.ref[Any]], None]:
        def cleanup(reference: weakref.ref[Any]) -> None:
            def strike() -> None:
                if self._weak_senders.get(sender_id) is reference:
                    del self._weak_senders[sender_id]
                    self._special.pop(sender_id, None)
                    self._bases.pop(sender_id, None)
                    for receiver_id in self._by_sender.pop(sender_id, ()):
                        self._by_receiver.get(receiver_id, Bucket()).pop(sender_id, None)

            if not sys.is_finalizing():
                self._drop(sender_id)  # at once: the address may be another object's before the ledger is settled
                LEDGER.deaths.append(strike)
                LEDGER.strike_out()

        return cleanup

    def _cleanup_bookkeeping(self) -> None:
        """Let go of the entries of senders and receivers that are not connected any more."""
        with LEDGER:
            for mapping in (self._by_sender, self._by_receiver):
                for ident, bucket in list(mapping.items()):
                    if not bucket:
                        del mapping[ident]

    def _clear_state(self) -> None:
        """Disconnect all receivers and senders. Useful for tests."""
        with LEDGER:
            for mapping in (
                self._weak_senders,
                self.receivers,
                self._records,
                self._special,
                self._by_sender,
                self._by_receiver,
                self._bases,
            ):
                mapping.clear()
            self._forget(ANY_KEY)

    def __copy__(self) -> Bookkeeping:
        """Return a signal that shares the receivers with this one, later ones included, as blinker's copy does."""
        copied = type(self).__new__(type(self))
        copied.is_muted = self.is_muted
        copied._names = self._names
        for name, value in self._attributes().items():
            setattr(copied, name, value)
        copied._share_plans(self)
        return copied

    def _attributes(self) -> dict[str, Any]:
        """Return all that it has, but for its plans: of the slots and, of a user's, of its ``__dict__``."""
        of_dict, of_slots = cast("tuple[dict[str, Any] | None, dict[str, Any]]", object.__getstate__(self))
        return {**(of_dict or {}), **of_slots}

    def __reduce_ex__(self, _protocol: object) -> tuple[Any, ...]:
        """Let ``deepcopy`` and ``pickle`` build a signal with the same connections, whose plans are its own."""
        with LEDGER:
            left_out = {"_plans", "_ready", "_records", "_rendered", "_special"}
            state = {name: value for name, value in self._attributes().items() if name not in left_out}
            state["_names"] = self._names
            state["_is_muted"] = self.is_muted
            options = {key: {each: one.options for each, one in some.items()} for key, some in self._special.items()}
        return new_signal, (type(self),), (state, options)

    def __setstate__(self, state: tuple[dict[str, Any], dict[Any, dict[Any, Options]]]) -> None:
        attributes, options = state
        self.is_muted = attributes.pop("_is_muted")
        self._names = attributes.pop("_names")
        for name, value in attributes.items():
            setattr(self, name, value)
        self._records, self._special, self._rendered = {}, {}, None
        for receiver_id, reference in list(self.receivers.items()):
            is_weak = isinstance(reference, weakref.ref)
            receiver = reference() if is_weak else reference
            if receiver is None:
                self._disconnect(receiver_id, ANY_KEY)
            else:
                self._admit(receiver_id, receiver, is_weak)
        for key, some in options.items():
            for receiver_id, wanted in some.items():
                record = self._records.get(receiver_id)
                if record is not None and (receiver := record.itself()) is not None:
                    self._special.setdefault(key, {})[receiver_id] = Receiver(receiver, record.reference, wanted)
        for key, known in list(self._weak_senders.items()):
            sender = known()
            if sender is not None:
                self._weak_senders[key] = make_ref(sender, self._make_cleanup_sender(key))
        for key in self._by_sender:
            self._forget(key)
        if any(record.asks for some in (self._records, *self._special.values()) for record in some.values()):
            note_asking(None)
        if any(record.options.rows for some in self._special.values() for record in some.values()):
            note_listening(None)


def new_signal(kind: type[Bookkeeping]) -> Bookkeeping:
    """Return an empty signal of a class, to be filled by ``__setstate__``."""
    return kind.__new__(kind)
