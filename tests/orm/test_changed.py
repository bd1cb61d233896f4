"""Conditions on what changed: ``changed``, ``created``, ``updated``."""

from __future__ import annotations

import pytest
from documents import documents_on
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

import aldis
from aldis import Change, changed, created, signals, updated


class Base(aldis.Model, DeclarativeBase):
    """Classes that are never written."""


class Person(Base):
    """A person."""

    __tablename__ = "person"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    kind: Mapped[str]
    boss_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    boss = relationship("Person", remote_side="Person.id")
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}  # noqa: RUF012


class Employee(Person):
    """A person with a salary."""

    salary: Mapped[int | None]
    __mapper_args__ = {"polymorphic_identity": "employee"}  # noqa: RUF012


@pytest.fixture
async def documents():
    """Return models in memory."""
    async with documents_on("sqlite+aiosqlite://") as found:
        yield found


def holds(condition, **changes) -> bool:
    return condition(changes={name: Change(*each) for name, each in changes.items()})


def test_changed_asks_for_names_and_values() -> None:
    assert holds(changed("email"), email=("a", "b"))
    assert not holds(changed("email"), name=("a", "b"))
    assert holds(changed("email", "name"), name=("a", "b"))
    assert holds(changed(), name=("a", "b"))
    assert not holds(changed())
    assert holds(changed("status", to="paid"), status=("open", "paid"))
    assert not holds(changed("status", to="paid"), status=("paid", "open"))
    assert holds(changed("status", was="open"), status=("open", "paid"))
    assert holds(changed("status", was=None, to="open"), status=(None, "open"))
    assert not holds(changed("status", was=None), status=("open", None))
    assert not changed("email")(changes=None)
    assert not changed()(changes=None)
    assert not changed("status", to="paid")(changes=None)
    assert str(changed("status", to="paid")) == "aldis.changed('status', to='paid')"


def test_what_cannot_be_asked_is_refused() -> None:
    with pytest.raises(aldis.SignalError, match="needs the name of an attribute"):
        changed(to="paid")
    with pytest.raises(aldis.SignalError, match="give the name of an attribute"):
        changed(Person.email)
    with pytest.raises(aldis.SignalError, match="requires 'changes', which the signal never sends"):
        signals.post_delete.connect(print, Person, when=changed("email"))


@pytest.mark.parametrize(
    "condition", [changed("emial"), updated & ~changed("emial"), changed("email", "emial", to="x")]
)
def test_misspelt_attribute_is_refused_when_it_is_connected(condition) -> None:
    with pytest.raises(aldis.SignalError, match=r"Person has no attribute 'emial'. Did you mean 'email'?"):
        signals.post_update.connect(lambda sender: None, Person, when=condition)
    with pytest.raises(aldis.SignalError, match="has no attribute 'emial'"):
        signals.post_update.connect(lambda sender: None, Person, when=condition, subclasses=True)


def test_attribute_of_a_class_below_is_known_with_subclasses() -> None:
    def hear(sender) -> None: ...

    with pytest.raises(aldis.SignalError, match="has no attribute 'salary'"):
        signals.post_update.connect(hear, Person, when=changed("salary"))
    signals.post_update.connect(hear, Person, when=changed("salary"), subclasses=True)
    signals.post_update.connect(hear, Base, when=changed("anything"), subclasses=True)
    signals.post_update.disconnect(hear)


def test_relationship_is_asked_for_by_its_foreign_key() -> None:
    with pytest.raises(aldis.SignalError, match="is a relationship, whose change is told under its foreign key"):
        signals.post_update.connect(lambda sender: None, Person, when=changed("boss"))


async def test_receivers_are_called_where_it_holds(documents) -> None:
    Document, told = documents.Document, []
    hub = Document.meta.signals

    def hear(name, signal, **options) -> None:
        signal.connect(
            lambda sender, model_instance: told.append((name, model_instance.id)), Document, False, **options
        )

    for kind in ("save", "update"):
        hear("title", hub[f"pre_{kind}"], when=changed("title") & updated)
        hear("done", hub[f"post_{kind}"], when=changed("status", to="done"), after_commit=True)
        hear("new", hub[f"post_{kind}"], when=created)

    def batched(sender, batch) -> None:
        told.append(("batch", [row["model_instance"].id for row in batch]))

    hub.post_update.connect(batched, Document, batched=True, when=changed("title", "note"))
    one = await Document.query.create(title="a", body="b", status="done")
    assert told == [("new", 1), ("done", 1)]
    told.clear()
    two, three = await Document.query.bulk_create([Document(title="a", body="b") for _ in range(2)])
    assert told == [("new", 2), ("new", 3)]
    told.clear()
    one.title, two.status, three.note = "new", "done", "n"
    await Document.query.bulk_update([one, two, three])
    assert told == [("title", 1), ("batch", [1, 3]), ("done", 2)]
    told.clear()
    await Document.query.bulk_update([{"id": 1, "title": "new"}, {"id": 3, "title": "other"}])
    assert told == [("title", 3), ("batch", [3])]
    told.clear()
    async with documents.database.session() as session:
        document = await session.get(Document, 1)
        document.title = "last"
        await session.commit()
    await Document.query.update(title="all")
    assert told == [("title", 1)]
