"""An instance after it was written: what was set to its old value, what waits, and what receivers left out."""

from __future__ import annotations

import pytest
import pytest_asyncio
from sqlalchemy import Double, ForeignKey, String, TypeDecorator, event, inspect
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column
from sqlalchemy.orm.exc import DetachedInstanceError, StaleDataError
from users import models_on

import aldis

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture(params=["by statement", "by unit of work"])
async def page(request):
    """Return a stored instance, whose class is written by one road or the other."""
    async with models_on("sqlite+aiosqlite://") as models:

        class Page(models.Base):
            __tablename__ = "page"
            id: Mapped[int] = mapped_column(primary_key=True)
            text: Mapped[str | None] = mapped_column(String(20))
            note: Mapped[str | None] = mapped_column(String(20))
            size: Mapped[float | None] = mapped_column(Double)
            double: Mapped[float | None] = column_property(size * 2)

        if request.param == "by unit of work":
            event.listen(Page, "before_update", lambda mapper, connection, target: None)
        async with models.Base.database.engine.begin() as connection:
            await connection.run_sync(Page.__table__.create)
        yield await Page.query.create(text="a", note="b", size=2.0)


async def save(page, **values) -> None:
    for name, value in values.items():
        setattr(page, name, value)
    await page.save()


async def update(page, **values) -> None:
    await page.update(**values)


async def bulk_update(page, **values) -> None:
    for name, value in values.items():
        setattr(page, name, value)
    await type(page).query.bulk_update([page])


WAYS = pytest.mark.parametrize("write", [save, update, bulk_update])


@WAYS
async def test_attribute_set_to_an_equal_value_leaves_a_clean_instance(page, write) -> None:
    await write(page, text="a", size=2)
    assert not inspect(page).modified
    assert (page.text, type(page.size)) == ("a", int)


@pytest.mark.parametrize("write", [save, bulk_update])
@pytest.mark.parametrize("values", [{"size": 3.0}, {}], ids=["with a change", "alone"])
async def test_column_property_that_was_set_leaves_a_clean_instance(page, write, values) -> None:
    await page.load()
    page.double = 7.0
    await write(page, **values)
    assert not inspect(page).modified
    assert page.double == 7.0


@WAYS
async def test_column_property_is_expired_by_an_update_as_in_a_session(page, write) -> None:
    await page.load()
    assert page.double == 4.0
    await write(page, size=3.0)
    with pytest.raises(DetachedInstanceError):
        _ = page.double
    await page.load()
    assert page.double == 6.0


@WAYS
@pytest.mark.parametrize("values", [{"size": 3}, {"text": "a"}], ids=["with a change", "alone"])
async def test_attribute_that_a_receiver_sets_to_what_it_is_leaves_a_clean_instance(page, write, values) -> None:
    @type(page).meta.signals.pre_update.connect_via(type(page))
    def receiver(sender, model_instance) -> None:
        model_instance.text, model_instance.note = model_instance.text, model_instance.note

    await write(page, **values)
    assert not inspect(page).modified


@WAYS
async def test_rollback_brings_back_that_an_attribute_was_set_to_an_equal_value(page, write) -> None:
    page.text = "a"
    with pytest.raises(RuntimeError, match="undo"):
        async with type(page).database.transaction():
            await write(page, note="c")
            raise RuntimeError("undo")
    assert inspect(page).attrs.text.history.unchanged == ["a"]
    assert (inspect(page).modified, page.text) == (True, "a")


async def by_session(page, **values) -> None:
    async with type(page).database.session(expire_on_commit=False) as session, session.begin():
        session.add(page)
        for name, value in values.items():
            setattr(page, name, value)


@pytest.mark.parametrize("write", [save, update, bulk_update, by_session])
async def test_attribute_that_was_deleted_is_refused_as_by_a_flush(page, write) -> None:
    page.text = "b"
    del page.text
    with pytest.raises(KeyError, match="^'text'$"):
        await write(page, note="c")
    assert [row["note"] for row in await type(page).query.values()] == ["b"]


async def test_values_of_a_call_that_is_refused_are_put_back(page) -> None:
    del page.text
    with pytest.raises(KeyError):
        await page.update(note="c")
    with pytest.raises(KeyError):
        await page.save(values={"note": "c"})
    assert page.note == "b"


@pytest.mark.parametrize("is_stored", [False, True])
async def test_values_of_a_call_whose_default_raises_are_put_back(is_stored) -> None:
    async with models_on("sqlite+aiosqlite://") as models:

        class Leaf(models.Base):
            __tablename__ = "leaf"
            id: Mapped[int] = mapped_column(primary_key=True)
            text: Mapped[str] = mapped_column(String(20))
            code: Mapped[int] = mapped_column(default=lambda: codes.pop(), onupdate=lambda: codes.pop())

        codes = [1] if is_stored else []
        async with models.Base.database.engine.begin() as connection:
            await connection.run_sync(Leaf.__table__.create)
        leaf = Leaf(text="a")
        if is_stored:
            await leaf.save()
        with pytest.raises(IndexError):
            await leaf.save(values={"text": "b"})
        if is_stored:
            with pytest.raises(IndexError):
                await leaf.update(text="b")
        assert leaf.text == "a"


@pytest.mark.parametrize("write", [save, bulk_update, by_session])
async def test_attribute_that_was_deleted_may_be_set_again(page, write) -> None:
    del page.text
    await write(page, text="c")
    assert (page.text, (await type(page).query.get()).text) == ("c", "c")


async def test_update_leaves_other_changes_waiting(page) -> None:
    page.text = "waits"
    await page.update(note="c")
    stored = await type(page).query.get(id=page.id)
    assert (stored.text, stored.note) == ("a", "c")
    assert (page.text, inspect(page).modified) == ("waits", True)
    await page.save()
    assert (await type(page).query.get(id=page.id)).text == "waits"


async def test_bulk_update_of_some_fields_leaves_other_changes_waiting(page) -> None:
    page.text, page.note = "waits", "c"
    await type(page).query.bulk_update([page], update_fields=["note"])
    assert (page.text, inspect(page).modified) == ("waits", True)
    assert (await type(page).query.get(id=page.id)).text == "a"


@pytest.mark.parametrize(("write", "kind"), [(save, "save"), (update, "update"), (bulk_update, "update")])
async def test_value_that_a_receiver_takes_out_is_what_the_row_has(page, write, kind) -> None:
    @page.meta.signals[f"pre_{kind}"].connect_via(type(page))
    async def keep_text(sender, column_values):
        del column_values["text"]

    await write(page, text="lost", note="c")
    assert (page.text, page.note, inspect(page).modified) == ("a", "c", False)
    stored = await type(page).query.get(id=page.id)
    assert (stored.text, stored.note) == ("a", "c")


@pytest.mark.parametrize("way", ["save", "bulk_create"])
async def test_new_value_that_a_receiver_takes_out_reads_null(page, way) -> None:
    @page.meta.signals.pre_save.connect_via(type(page))
    async def leave_out_text(sender, column_values):
        del column_values["text"]

    new = type(page)(text="lost", note="c")
    await (new.save() if way == "save" else type(page).query.bulk_create([new]))
    assert (new.text, new.note) == (None, "c")
    assert (await type(page).query.get(id=new.id)).text is None


@WAYS
async def test_update_of_a_row_that_is_gone_is_told_as_sqlalchemy_tells_it(page, write) -> None:
    await type(page).query.delete()
    with pytest.raises(aldis.ObjectNotFound, match="its row is gone") as caught:
        await write(page, text="c")
    assert isinstance(caught.value, StaleDataError)


async def test_conflicts_are_ignored_and_other_mistakes_are_not(models) -> None:
    await models.User.query.create(name="ada")
    created = await models.User.query.bulk_create(
        [models.User(name="ada"), models.User(name="eve")], ignore_conflicts=True
    )
    assert [user.name for user in created] == ["eve"]
    with pytest.raises(IntegrityError):
        await models.User.query.bulk_create([models.User(mail="no name")], ignore_conflicts=True)
    assert await models.User.query.count() == 2


async def test_conflicts_are_ignored_in_the_order_of_the_rows(page) -> None:
    base = page.__class__.__mro__[1]

    class Cat(base):
        __tablename__ = "cat"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str] = mapped_column(String(20))
        name: Mapped[str] = mapped_column(String(20), unique=True)
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "cat"}  # noqa: RUF012

    class Lion(Cat):
        __mapper_args__ = {"polymorphic_identity": "lion"}  # noqa: RUF012

    async with base.database.engine.begin() as connection:
        await connection.run_sync(Cat.__table__.create)
    rows = [Cat(name="tom"), Lion(name="leo"), Cat(name="leo"), Lion(name="tom")]
    created = await Cat.query.bulk_create(rows, ignore_conflicts=True)
    assert [(type(cat), cat.name) for cat in created] == [(Cat, "tom"), (Lion, "leo")]
    assert [cat.name for cat in await Cat.query.order_by(Cat.id).all()] == ["tom", "leo"]


async def test_class_that_counts_versions_takes_an_update_of_all_rows(page) -> None:
    base = page.__class__.__mro__[1]

    class Draft(base):
        __tablename__ = "draft"
        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str] = mapped_column(String(20))
        version: Mapped[int] = mapped_column()
        __mapper_args__ = {"version_id_col": version}  # noqa: RUF012

    async with base.database.engine.begin() as connection:
        await connection.run_sync(Draft.__table__.create)
    await Draft.query.bulk_create([Draft(text="a"), Draft(text="b")])
    assert await Draft.query.filter(text="a").update(text="c") == 1
    assert await Draft.query.filter(text="b").delete() == 1
    assert [draft.text for draft in await Draft.query.all()] == ["c"]


async def retried(page, write) -> None:
    """Try twice what writes by a session: the first time, the session is rolled back."""
    database = type(page).database
    async with database.session() as session:
        await write(session)
        await session.rollback()
    async with database.session() as session:
        await write(session)
        await session.commit()


@pytest.mark.parametrize("way", ["save", "bulk_create"])
async def test_new_instance_is_new_again_when_the_session_that_it_was_saved_by_rolls_back(page, way) -> None:
    new = type(page)(text="new")

    async def write(session) -> None:
        assert inspect(new).transient
        if way == "save":
            await new.save(using=session)
        else:
            await type(page).query.using(session).bulk_create([new])

    await retried(page, write)
    assert [each.text for each in await type(page).query.order_by("id").all()] == ["a", "new"]


async def test_stored_instance_is_what_it_was_when_the_session_rolls_back(page) -> None:
    async def write(session) -> None:
        assert page.text == "a"
        await page.update(using=session, text=page.text + "!")

    await retried(page, write)
    assert (await type(page).query.get(id=page.id)).text == page.text == "a!"


async def test_savepoint_of_a_session_puts_back_what_was_saved_in_it(page) -> None:
    kept, lost = type(page)(text="kept"), type(page)(text="lost")
    async with type(page).database.session() as session:
        async with session.begin_nested():
            await kept.save(using=session)
        nested = await session.begin_nested()
        await lost.save(using=session)
        await nested.rollback()
        assert (inspect(kept).transient, inspect(lost).transient) == (False, True)
        await session.rollback()
    assert inspect(kept).transient


async def test_session_that_is_closed_without_a_commit_puts_back_what_was_saved(page) -> None:
    new = type(page)(text="new")
    async with type(page).database.session() as session:
        await new.save(using=session)
    assert inspect(new).transient


async def test_onupdate_serves_where_its_table_is_written(page) -> None:
    base = page.__class__.__mro__[1]

    class Ship(base):
        __tablename__ = "ship"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str] = mapped_column(String(20))
        name: Mapped[str] = mapped_column(String(20))
        state: Mapped[str] = mapped_column(String(20), onupdate="changed")
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "ship"}  # noqa: RUF012

    class Tanker(Ship):
        __tablename__ = "tanker"
        id: Mapped[int] = mapped_column(ForeignKey("ship.id"), primary_key=True)
        tons: Mapped[int]
        __mapper_args__ = {"polymorphic_identity": "tanker"}  # noqa: RUF012

    async with base.database.engine.begin() as connection:
        await connection.run_sync(Ship.__table__.create)
        await connection.run_sync(Tanker.__table__.create)
    tanker = await Tanker.query.create(name="a", state="new", tons=1)
    await tanker.update(tons=2)
    assert (await Tanker.query.get(id=tanker.id)).state == tanker.state == "new"
    await tanker.update(name="b")
    assert (await Tanker.query.get(id=tanker.id)).state == tanker.state == "changed"


async def test_instance_without_changes_is_not_read_again() -> None:
    """Its row may be gone, and some of it never loaded: a session's flush sends nothing either."""
    async with models_on("sqlite+aiosqlite://") as models:

        class Paper(models.Base):
            __tablename__ = "paper"
            __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "paper"}  # noqa: RUF012
            id: Mapped[int] = mapped_column(primary_key=True)
            kind: Mapped[str] = mapped_column(String(20))

        class Letter(Paper):
            __tablename__ = "letter"
            __mapper_args__ = {"polymorphic_identity": "letter"}  # noqa: RUF012
            id: Mapped[int] = mapped_column(ForeignKey("paper.id"), primary_key=True)
            text: Mapped[str] = mapped_column(String(20))

        async with models.Base.database.engine.begin() as connection:
            await connection.run_sync(Paper.__table__.create)
            await connection.run_sync(Letter.__table__.create)
        await Letter.query.create(text="a")
        letter = await Paper.query.get()
        async with models.Base.database.engine.begin() as connection:
            await connection.execute(Letter.__table__.delete())
            await connection.execute(Paper.__table__.delete())
        await letter.save()
        assert "text" in inspect(letter).expired_attributes


class AnyCase(TypeDecorator):
    """Texts that are equal whatever their case."""

    impl = String(20)
    cache_ok = True

    def compare_values(self, x, y) -> bool:
        return x.lower() == y.lower()


@pytest.mark.parametrize("way", ["save", "update", "bulk_update"])
async def test_equal_value_of_a_receiver_does_not_stay_after_an_error(way) -> None:
    class Base(aldis.Model, DeclarativeBase):
        database = aldis.Database("sqlite+aiosqlite://")

    class Word(Base):
        __tablename__ = "word"
        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str] = mapped_column(AnyCase)
        number: Mapped[int]

    signals = Word.meta.signals

    @signals.pre_update.connect_via(Word)
    @signals.pre_save.connect_via(Word)
    async def shout(sender, model_instance, is_update):
        if is_update:
            model_instance.text = model_instance.text.upper()

    @signals.post_update.connect_via(Word)
    @signals.post_save.connect_via(Word)
    async def fail(sender, is_update):
        if is_update:
            raise LookupError

    async with Base.database as database:
        async with database.transaction() as connection:
            await connection.run_sync(Base.metadata.create_all)
        words = await Word.query.bulk_create([Word(text=text, number=1) for text in ("a", "b")])
        words[0].number = 2
        calls = {
            "save": words[0].save,
            "update": lambda: words[0].update(number=2),
            "bulk_update": lambda: Word.query.bulk_update(words),
        }
        with pytest.raises(LookupError):
            await calls[way]()
        assert [(word.text, word.number) for word in words] == [("a", 2), ("b", 1)]
        assert [inspect(word).committed_state for word in words] == [{"number": 1}, {}]
