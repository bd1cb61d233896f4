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


async def documents_in(documents, **values):
    """Return ten stored documents."""
    Document = documents.Document
    given = {"title": "a", "body": "b", "status": "draft", "note": "n", **values}
    return await Document.query.bulk_create([Document(**given) for _ in range(10)])


@pytest.mark.parametrize("when", ["pre_update", "post_update"])
async def test_condition_that_holds_for_no_row_reads_and_makes_nothing(documents, when, monkeypatch) -> None:
    Author, told = documents.Author, []
    new = await Author.query.bulk_create([Author(name=f"a{n}") for n in range(10)])
    condition = changed("id") & updated | changed("name", to="gone") | changed("id", "name", was="b", to="c")
    Author.meta.signals[when].connect(lambda sender: told.append(sender), Author, False, when=condition)
    made = []
    monkeypatch.setattr("aldis.orm.saving.row_changes.differing", lambda *_: made.append(1))
    monkeypatch.setattr("aldis.orm.saving.bulk_signals.rows_of_signal", lambda *_: made.append(1))
    documents.sql.clear()
    for each in new:
        each.name += "!"
    await Author.query.bulk_update(new)
    await Author.query.bulk_update([{"id": each.id, "name": "d"} for each in new])
    for each in new:
        each.name = "c"
    await Author.query.bulk_update(new)
    assert set(documents.sql) == {"UPDATE"}
    assert told == made == []


@pytest.mark.parametrize("when", ["pre", "post"])
async def test_condition_on_an_old_value_holds_for_its_rows(documents, when) -> None:
    Document, told = documents.Document, []
    for kind in ("save", "update"):
        Document.meta.signals[f"{when}_{kind}"].connect(
            lambda sender, model_instance: told.append(model_instance.id),
            Document,
            False,
            when=changed("status", was="open") | changed("note", was=None),
        )
    new = await documents_in(documents, title="new", note=None)
    assert told == []  # what is None is no change of an INSERT
    other = await documents_in(documents)
    assert len(told) == 10  # what is not None was None before
    told.clear()
    for number, each in enumerate(new):
        each.title, each.status = str(number), "open"
    await Document.query.bulk_update(new)
    assert told == []
    for each in new:
        each.status = "open" if each in new[2:5] else "done"
    other[0].status = other[1].note = "x"
    await Document.query.bulk_update([*new, *other])
    assert told == [each.id for each in (*new[:2], *new[5:])]
    told.clear()
    await Document.query.bulk_update([{"id": each.id, "status": "gone"} for each in new])  # the old ones are read
    assert told == [each.id for each in new[2:5]]
    told.clear()
    for each in new:
        each.status, each.note = Document.title, "now"
    await Document.query.bulk_update(new)
    assert len(told) == 10


@pytest.mark.parametrize("when", ["pre", "post"])
async def test_condition_on_a_value_holds_for_its_rows(documents, when) -> None:
    Document, told = documents.Document, []
    for kind in ("save", "update"):
        Document.meta.signals[f"{when}_{kind}"].connect(
            lambda sender, model_instance: told.append(model_instance.id),
            Document,
            False,
            when=changed("status", to="done"),
        )
    new = await documents_in(documents, title="new", status="done")
    assert len(told) == 10
    told.clear()
    for number, each in enumerate(new):
        each.title, each.status = str(number), "open"
    await Document.query.bulk_update(new)
    assert told == []
    new[3].status = new[7].status = "done"
    await Document.query.bulk_update(new)
    assert told == [new[3].id, new[7].id]
    told.clear()
    await Document.query.bulk_update([{"id": each.id, "status": "done"} for each in new])
    assert len(told) == 8
    told.clear()
    await Document.query.bulk_update([{"id": each.id, "status": Document.title} for each in new])
    assert told == []


async def test_values_of_receivers_and_of_others_are_judged_after(documents) -> None:
    Document, told = documents.Document, []
    hub = Document.meta.signals
    new = await documents_in(documents)

    def meddle(sender, model_instance, column_values):
        if model_instance.id == 2:
            model_instance.note = "by a receiver"
        if model_instance.id == 3:
            column_values["status"] = "done"

    hub.pre_update.connect(meddle, Document)
    condition = changed("note") | changed("status", to="done")
    hub.post_update.connect(
        lambda sender, model_instance: told.append(model_instance.id), Document, False, when=condition
    )
    for each in new:
        each.title = "b"
    await Document.query.bulk_update(new)
    assert told == [2, 3]


async def test_functions_of_a_user_are_asked_of_each_row(documents) -> None:
    Document, asked, told = documents.Document, [], []
    hub = Document.meta.signals

    def odd(model_instance):
        asked.append(model_instance.id)
        return model_instance.id % 2 == 1

    def connect(condition):
        return hub.post_update.connect(lambda sender, instance: told.append(1), Document, False, when=condition)

    new = await documents_in(documents)
    receiver = connect(aldis.dispatch.conditions.Condition(odd) & changed("note"))
    for each in new:
        each.title = "b"
    await Document.query.bulk_update(new)
    assert asked == [each.id for each in new]
    hub.post_update.disconnect(receiver)
    asked.clear()
    connect(~changed("note") & odd)
    for each in new:
        each.title = "c"
    await Document.query.bulk_update(new)
    assert (asked, len(told)) == ([each.id for each in new], 5)


async def test_condition_has_only_the_attributes_compared_that_it_asks_for(documents, monkeypatch) -> None:
    Document, seen, told = documents.Document, [], []
    new = await documents_in(documents)
    hub = Document.meta.signals
    condition = changed("status", was="draft")
    judged = condition.function

    def see(changes):
        seen.append(set(changes))
        return judged(changes=changes)

    condition.function = see
    hub.post_update.connect(
        lambda sender, model_instance: told.append(model_instance.id), Document, False, when=condition
    )
    for each in new:
        each.title, each.status, each.note = "b", "done", "m"
    await Document.query.bulk_update(new)
    assert (seen, len(told)) == ([{"status"}] * 10, 10)
    seen.clear()
    for each in new:
        each.title, each.status = "c", "gone"
    hub.post_update.connect(lambda sender, changes: None, Document, False)
    await Document.query.bulk_update(new)
    assert (seen, len(told)) == ([{"title", "status"}] * 10, 10)


async def test_receiver_that_comes_before_the_rows_are_written_hears_them(documents) -> None:
    Document, told = documents.Document, []
    hub = Document.meta.signals
    new = await documents_in(documents)

    def late(sender, model_instance):
        told.append(model_instance.id)

    def connect(sender):
        hub.post_update.connect(late, Document)

    hub.pre_update.connect(connect, Document)
    hub.post_update.connect(lambda sender: None, Document, False, when=changed("note"))
    for each in new:
        each.title = "b"
    await Document.query.bulk_update(new)
    assert told == [each.id for each in new]


async def test_receivers_that_ask_are_noticed_whenever_they_come_to(documents) -> None:
    Author, told = documents.Author, []
    signal = Author.meta.signals.pre_update
    (new,) = await Author.query.bulk_create([Author(name="a")])

    def plain(sender, model_instance):
        told.append("plain")

    def asking(sender, changes):
        told.append(changes["name"].new)

    async def update(name):
        told.clear()
        new.name = name
        await Author.query.bulk_update([new])
        return told

    def hear(sender, model_instance):
        told.append("heard")

    signal.connect(hear, Author)
    assert await update("b") == ["heard"]
    signal.connect(asking, Author)
    assert await update("c") == ["heard", "c"]
    signal.disconnect(asking, Author)
    assert await update("d") == ["heard"]
    hear.__code__ = (lambda sender, changes: told.append(changes["name"].old)).__code__.replace(
        co_freevars=hear.__code__.co_freevars
    )
    assert await update("e") == ["d"]
    hear.__code__ = plain.__code__
    assert await update("f") == ["plain"]
    signal.connect(plain, Author, when=changed("name", to="g"))
    signal.disconnect(hear, Author)
    assert await update("g") == ["plain"]
    assert await update("h") == []


async def test_nothing_is_created_where_an_operation_is_skipped_or_a_conflict_ignored(documents) -> None:
    Document, told = documents.Document, []
    hub = Document.meta.signals

    async def skip(sender, model_instance) -> None:
        if model_instance.title == "skipped":
            raise aldis.SkipOperation

    def hear(name, signal, condition) -> None:
        def receiver(sender, model_instance, row_count) -> None:
            told.append((name, model_instance.title, row_count))

        signal.connect(receiver, Document, False, when=condition, after_commit=True)

    hub.pre_save.connect(skip, Document)
    hub.pre_update.connect(skip, Document)
    hear("created", hub.post_save, created)
    hear("updated", hub.post_save, updated)
    hear("updated", hub.post_update, updated)
    assert await Document.query.create(title="skipped", body="b") is None
    first = await Document.query.create(title="a", body="b")
    assert told == [("created", "a", 1)]
    told.clear()
    both = [
        Document(id=first.id, title="b", body="b"),
        Document(title="c", body="b"),
        Document(title="skipped", body=""),
    ]
    await Document.query.bulk_create(both, ignore_conflicts=True)
    assert told == [("created", "c", 1)]
    assert type(told[0][2]) is int
    told.clear()
    first.title = "skipped"
    await first.save()
    assert told == []
    first.title = "d"
    await first.save()
    assert told == [("updated", "d", 1)]
