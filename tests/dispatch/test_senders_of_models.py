"""The lifecycle signals of models refuse a sender that never sends, and hear a base's classes, on both cores."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, Integer, Table
from sqlalchemy.ext.declarative import DeferredReflection
from sqlalchemy.orm import DeclarativeBase, Mapped, declarative_base, mapped_column, registry


class Base(DeclarativeBase): ...


class Timestamped(Base):
    __abstract__ = True
    id: Mapped[int] = mapped_column(primary_key=True)


class User(Timestamped):
    __tablename__ = "user"


class Mixin: ...


class Reflected(DeferredReflection, Base):
    __tablename__ = "reflected"


Old = declarative_base()


def hear(sender): ...


REFUSED = {
    "a base": (
        Base,
        r"which is a base of theirs: connect\(receiver, Base, subclasses=True\) hears all classes below it",
    ),
    "a base of the older kind": (Old, "which is a base of theirs"),
    "an abstract class": (Timestamped, "which is a base of theirs"),
    "an instance": (User(), "an instance of one: give the class, User"),
    "a string": ("User", "the string 'User': give the class itself"),
    "a function": (
        hear,
        r"the function .*hear: connect_via takes the class first, as in @post_save.connect_via\(User\)",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_sender_that_never_sends_is_refused_with_advice(core, kind) -> None:
    sender, advice = REFUSED[kind]
    signal = core.signals.post_save
    with pytest.raises(core.SignalError, match=f"^post_save is sent by mapped classes, and never by .*{advice}"):
        signal.connect(hear, sender)
    with pytest.raises(core.SignalError, match=advice):
        signal.connect_via(sender)  # before anything is decorated: the parentheses may have been forgotten
    assert not signal.has_receivers_for(User)


def test_class_that_is_mapped_or_may_be_mapped_yet_is_accepted(core) -> None:
    signal = core.signals.post_save

    class Later: ...

    for sender in (User, Mixin, Reflected, Later):
        signal.connect(hear, sender)
        assert signal.has_receivers_for(sender)
        signal.disconnect(hear, sender)
    mappers = registry()
    mappers.map_imperatively(Later, Table("later", mappers.metadata, Column("id", Integer, primary_key=True)))
    signal.connect(hear, Later)
    signal.disconnect(hear, Later)


def test_base_is_heard_with_the_classes_below_it(core) -> None:
    signal = core.signals.post_save
    signal.connect(hear, Base, subclasses=True)
    try:
        assert list(signal.receivers_for(User)) == [hear]

        later = type(f"Order{core.backend}", (Timestamped,), {"__tablename__": core.backend, "__module__": __name__})
        assert list(signal.receivers_for(later)) == [hear]
        assert not signal.has_receivers_for(Mixin)
    finally:
        signal.disconnect(hear, Base)
    assert not signal.has_receivers_for(User)


def test_other_signals_take_any_sender(core) -> None:
    for signal in (core.Signal(), core.LifecycleSignal("paid", {None: ("amount",)})):
        for sender in (Base, "shop", User(), hear):
            signal.connect(hear, sender, weak=False)
            assert signal.has_receivers_for(sender)
