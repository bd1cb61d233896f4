"""Private names of SQLAlchemy: where one is gone, a public way serves, or the way that is true and slower."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import and_, create_engine, insert, inspect, select, true, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, bulk_persistence, composite, mapped_column

import aldis
import aldis.orm
from aldis.orm import internals
from aldis.signals import post_delete, post_save, post_update, pre_save

FOLDER = Path(aldis.__file__).parent
OF_SESSIONS = frozenset(
    {"_new", "_deleted", "_flush", "_flushing", "_is_orphan", "_persistent_sortkey_fn", "_register_altered"}
)  # those of an instance's state aside


@dataclass
class Point:
    x: int
    y: int


class Base(DeclarativeBase):
    """Plain models."""


class Heard(Base):
    __tablename__ = "heard"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Unheard(Base):
    __tablename__ = "unheard"
    id: Mapped[int] = mapped_column(primary_key=True)


class Spot(Base):
    __tablename__ = "spot"
    id: Mapped[int] = mapped_column(primary_key=True)
    place: Mapped[Point] = composite(mapped_column("x"), mapped_column("y"))


class Renamed(Session):
    """A session of a later SQLAlchemy, which calls its private names otherwise: aldis finds none of them."""

    def __getattribute__(self, name):
        if name in OF_SESSIONS and sys._getframe(1).f_code.co_filename.startswith(str(FOLDER)):
            raise AttributeError(name)
        return super().__getattribute__(name)


@pytest.fixture
def session():
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Renamed(engine) as found:
        yield found
    engine.dispose()


def test_session_of_models_that_nobody_listens_to(session) -> None:
    session.add(Unheard())
    session.commit()
    assert session.scalars(select(Unheard.id)).all() == [1]


def test_session_of_models_that_somebody_listens_to(session) -> None:
    told = []

    def add_another(sender, model_instance):
        if model_instance.name == "a":
            session.add(Heard(name="b"))

    def note(sender, model_instance):
        told.append(model_instance.name)

    with (
        pre_save.connected_to(add_another, Heard),
        post_save.connected_to(note, Heard),
        post_delete.connected_to(note, Heard),
    ):
        first = Heard(name="a")
        session.add(first)
        session.commit()
        assert told == ["a", "b"]
        first.name = "c"
        session.commit()
        session.delete(first)
        session.commit()
    assert told == ["a", "b", "c", "c"]
    assert session.scalars(select(Heard.name)).all() == ["b"]


def test_what_a_receiver_leaves_after_a_flush_is_written_by_the_commit(session) -> None:
    def add_another(sender, model_instance):
        if model_instance.name == "a":
            session.add(Heard(name="b"))

    with post_save.connected_to(add_another, Heard):
        session.add(Heard(name="a"))
        session.commit()
    assert session.scalars(select(Heard.name)).all() == ["a", "b"]


def test_expired_instance_whose_row_is_told_of(session) -> None:
    told = []

    def note(sender, model_instance):
        told.append(model_instance.name)

    first = Heard(name="a")
    session.add(first)
    session.commit()
    post_update.connect(note, Heard, rows=True)
    session.execute(update(Heard).values(name="b"))
    assert (told, first.name) == (["b"], "b")
    session.expire(first)
    session.execute(update(Heard).values(name="c"))
    assert (told, first.name) == (["b", "c"], "c")
    post_update.disconnect(note, Heard)


class Asked:
    """A statement of a later SQLAlchemy, which calls its private names otherwise."""

    def __init__(self, statement) -> None:
        self.statement = statement

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.statement, name)


CHOSEN = select(Heard).where(Heard.id > 1, Heard.name == "a")


@pytest.mark.parametrize("chosen", [CHOSEN.limit(1), CHOSEN.offset(1), CHOSEN.join(Unheard, true()), CHOSEN.distinct()])
def test_select_that_cannot_be_asked_is_taken_to_have_what_costs_speed_alone(chosen) -> None:
    asks = (internals.is_limited, internals.has_offset, internals.has_joins, internals.is_grouped)
    assert [ask(CHOSEN) for ask in asks] == [False] * 4
    assert [ask(chosen) for ask in asks].count(True) == 1
    assert [ask(Asked(chosen)) for ask in (*asks, internals.has_ctes)] == [True] * 5


def test_conditions_and_returning_of_a_statement() -> None:
    for statement in (CHOSEN, Asked(CHOSEN)):
        assert str(and_(*internals.where_of(statement))) == str(CHOSEN.whereclause)
    assert internals.where_of(Asked(select(Heard))) == ()
    returning = update(Heard).returning(Heard.id, Heard.name)
    assert [each.name for each in internals.returned_by(Asked(returning))] == ["id", "name"]
    assert [each.name for each in internals.returned_by(returning)] == ["id", "name"]


def test_insert_that_cannot_be_asked_is_left_to_sqlalchemy() -> None:
    assert internals.is_made_of_rows(insert(Heard))
    assert not internals.is_made_of_rows(insert(Heard).values(name="a"))
    assert not internals.is_made_of_rows(Asked(insert(Heard)))


@pytest.mark.parametrize("is_renamed", [False, True])
def test_values_of_composites_are_those_of_their_columns(monkeypatch, is_renamed) -> None:
    if is_renamed:
        monkeypatch.delattr(bulk_persistence, "_expand_composites", raising=False)
        monkeypatch.delattr(bulk_persistence, "_expand_other_attrs", raising=False)
    rows = [{"id": 1, "place": Point(2, 3)}, {"id": 4, "x": 5}]
    internals.spread_out(inspect(Spot), rows)
    assert rows == [{"id": 1, "x": 2, "y": 3}, {"id": 4, "x": 5}]
