"""The defaults of an UPDATE (``onupdate``): when they serve, and who is told of them."""

from __future__ import annotations

import pytest
import pytest_asyncio
from sqlalchemy import Computed, FetchedValue, String, event, func, inspect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column, validates
from users import models_on

pytestmark = pytest.mark.asyncio

CHOSEN = 7
"""The value that a receiver sets."""


@pytest_asyncio.fixture(params=["by statement", "by unit of work"])
async def page(request):
    """Return a stored instance, whose class is written by one road or the other; each UPDATE counts one edit."""
    async with models_on("sqlite+aiosqlite://") as models:

        class Page(models.Base):
            __tablename__ = "page"
            id: Mapped[int] = mapped_column(primary_key=True)
            text: Mapped[str] = mapped_column(String(20))
            note: Mapped[str | None] = mapped_column(String(20))
            edits: Mapped[int] = mapped_column(default=0, onupdate=lambda context: next(Page.numbers))

            @validates("edits")
            def checked(self, _name, value):
                """Refuse a default: nobody sets it."""
                assert value == CHOSEN
                return value

        Page.numbers = iter(range(1, 10))
        if request.param == "by unit of work":
            event.listen(Page, "before_update", lambda mapper, connection, target: None)
        async with models.Base.database.engine.begin() as connection:
            await connection.run_sync(Page.__table__.create)
        yield await Page.query.create(text="a")


async def save(page) -> None:
    page.text = "b"
    await page.save()


async def update(page) -> None:
    await page.update(text="b")


async def bulk_update(page) -> None:
    page.text = "b"
    await type(page).query.bulk_update([page])


async def flush(page) -> None:
    async with AsyncSession(type(page).database.engine, expire_on_commit=False) as session:
        session.add(page)
        page.text = "b"
        await session.commit()


async def bulk_update_or_create(page) -> None:
    await type(page).query.bulk_update_or_create([{"id": page.id, "text": "b"}], unique_fields=["id"])


WAYS = pytest.mark.parametrize("write", [save, update, bulk_update, flush, bulk_update_or_create])
OF_INSTANCES = pytest.mark.parametrize("write", [save, update, bulk_update, flush])


def connect(page, when, receiver) -> None:
    """Connect a receiver to the signals before an UPDATE, or to those after."""
    model = type(page)
    for kind in ("save", "update"):
        model.meta.signals[f"{when}_{kind}"].connect(receiver, model, weak=False)


async def stored(page) -> tuple[str, str | None, int]:
    """Return the row."""
    found = await type(page).query.get(id=page.id)
    return found.text, found.note, found.edits


@WAYS
async def test_row_that_receivers_have_set_back_is_not_written(page, write) -> None:
    async def set_back(sender, model_instance) -> None:
        model_instance.text = "a"

    connect(page, "pre", set_back)
    await write(page)
    assert await stored(page) == ("a", None, 0)
    assert not inspect(page).modified


@WAYS
async def test_row_whose_values_receivers_have_taken_out_is_not_written(page, write) -> None:
    async def take_out(sender, column_values) -> None:
        del column_values["text"]

    connect(page, "pre", take_out)
    await write(page)
    assert await stored(page) == ("a", None, 0)


@WAYS
async def test_default_serves_where_receivers_have_set_another_attribute(page, write) -> None:
    async def set_other(sender, model_instance) -> None:
        model_instance.text, model_instance.note = "a", "c"

    connect(page, "pre", set_other)
    await write(page)
    assert await stored(page) == ("a", "c", 1)


@WAYS
async def test_row_is_written_where_receivers_have_chosen_the_default_themselves(page, write) -> None:
    async def choose(sender, column_values) -> None:
        del column_values["text"]
        column_values["edits"] = CHOSEN

    connect(page, "pre", choose)
    await write(page)
    assert await stored(page) == ("a", None, CHOSEN)


@OF_INSTANCES
async def test_signal_after_tells_of_no_row_where_receivers_have_set_it_back(page, write) -> None:
    told = []

    async def set_back(sender, model_instance) -> None:
        model_instance.text = "a"

    async def note(sender, column_values, row_count, operation_skipped) -> None:
        told.append((column_values, row_count, operation_skipped))

    connect(page, "pre", set_back)
    connect(page, "post", note)
    await write(page)
    assert told == [({}, 0, False)]


@OF_INSTANCES
async def test_refresh_flush_tells_of_the_default_as_in_a_session(page, write) -> None:
    told = []
    event.listen(type(page), "refresh_flush", lambda target, context, names: told.append((names, target.edits)))
    await write(page)
    assert told == [(["edits"], 1)]
    assert await stored(page) == ("b", None, 1)


@OF_INSTANCES
async def test_default_that_equals_the_old_value_is_made_once_and_told(page, write) -> None:
    type(page).numbers = iter([0, 9])
    told = []
    event.listen(type(page), "refresh_flush", lambda target, context, names: told.append((names, target.edits)))
    await write(page)
    assert told == [(["edits"], 0)]
    assert await stored(page) == ("b", None, 0)


async def test_refresh_flush_tells_of_the_defaults_of_a_new_row_as_in_a_session_that_nobody_hears(page) -> None:
    model, told = type(page), []

    def refreshed(target, context, names) -> None:
        told.append((names, target.edits, context is not None and target in context.session))

    event.listen(model, "refresh_flush", refreshed)

    async def write() -> None:
        async with model.database.session() as session:
            session.add(model(text="b"))
            await session.commit()

    await write()

    async def hear(sender, instance) -> None:
        pass

    connect(page, "pre", hear)
    await write()
    assert told == [(["edits"], 0, True)] * 2


async def test_refresh_flush_tells_of_the_default_of_an_attribute_that_is_set_to_its_old_value(page) -> None:
    type(page).numbers, told = iter([CHOSEN, 8]), []
    await page.update(text="b")
    event.listen(type(page), "refresh_flush", lambda target, context, names: told.append((names, target.edits)))
    page.text, page.edits = "c", CHOSEN
    await page.save()
    assert told == [(["edits"], 8)]


@pytest.mark.parametrize("make", ["save", "bulk_create", "flush"])
@pytest.mark.parametrize("write", ["save", "update", "bulk_update", "flush"])
async def test_none_that_is_set_where_nothing_was_ever_set_is_a_change(page, make, write) -> None:
    model = type(page)
    database = model.database
    new = model(text="new")
    if make == "save":
        await new.save()
    elif make == "bulk_create":
        await model.query.bulk_create([new, model(text="other", note="n")])
    else:
        async with AsyncSession(database.engine, expire_on_commit=False) as session:
            session.add(new)
            await session.commit()
    assert new.note is None
    assert not inspect(new).modified
    if write == "update":
        await new.update(note=None)
    else:
        new.note = None
    if write == "save":
        await new.save()
    elif write == "bulk_update":
        await model.query.bulk_update([new])
    elif write == "flush":
        async with AsyncSession(database.engine, expire_on_commit=False) as session:
            session.add(new)
            await session.commit()
    assert await stored(new) == ("new", None, 1)
    assert (new.note, new.edits) == (None, 1)


@pytest.mark.parametrize("write", [save, update, bulk_update, flush])
async def test_default_serves_where_receivers_set_its_attribute_to_the_old_value(write) -> None:
    async with models_on("sqlite+aiosqlite://") as models:

        class Sheet(models.Base):
            __tablename__ = "sheet"
            id: Mapped[int] = mapped_column(primary_key=True)
            text: Mapped[str] = mapped_column(String(20))
            mark: Mapped[str] = mapped_column(String(20), default="as it was", onupdate="touched")

        async with models.Base.database.engine.begin() as connection:
            await connection.run_sync(Sheet.__table__.create)
        sheet = await Sheet.query.create(text="a")

        async def set_old(sender, model_instance) -> None:
            model_instance.mark = " ".join(["as", "it", "was"])  # equal to the stored value, and not the same object

        connect(sheet, "pre", set_old)
        await write(sheet)
        found = await Sheet.query.get(id=sheet.id)
        assert (found.text, found.mark) == ("b", "touched")
        assert (sheet.text, sheet.mark) == ("b", "touched")


@pytest.mark.parametrize("make", ["save", "bulk_create", "flush"])
@pytest.mark.parametrize("is_eager", [True, False])
async def test_none_is_no_change_of_an_attribute_that_eager_defaults_have_read(make, is_eager) -> None:
    """A mapper with ``eager_defaults=True`` reads after an INSERT what an UPDATE would make."""
    async with models_on("sqlite+aiosqlite://") as models:

        class Leaf(models.Base):
            __tablename__ = "leaf"
            id: Mapped[int] = mapped_column(primary_key=True)
            text: Mapped[str] = mapped_column(String(20))
            mark: Mapped[str | None] = mapped_column(String(20), onupdate=func.lower("TOUCHED"))
            __mapper_args__ = {"eager_defaults": is_eager}  # noqa: RUF012

        async with models.Base.database.engine.begin() as connection:
            await connection.run_sync(Leaf.__table__.create)
        leaf = Leaf(text="a")
        if make == "save":
            await leaf.save()
        elif make == "bulk_create":
            await Leaf.query.bulk_create([leaf, Leaf(text="other")])
        else:
            async with AsyncSession(models.database.engine, expire_on_commit=False) as session:
                session.add(leaf)
                await session.commit()
        leaf.text, leaf.mark = "b", None
        await leaf.save()
        assert await Leaf.query.filter(id=leaf.id).values("mark") == [{"mark": "touched" if is_eager else None}]


@pytest.mark.parametrize("write", [save, update, bulk_update])
async def test_value_of_a_trigger_after_the_update_is_the_rows(write) -> None:
    """SQLite's RETURNING has the value of before the trigger."""
    async with models_on("sqlite+aiosqlite://") as models:

        class Stamped(models.Base):
            __tablename__ = "stamped"
            id: Mapped[int] = mapped_column(primary_key=True)
            text: Mapped[str] = mapped_column(String(20))
            stamp: Mapped[int | None] = mapped_column(server_onupdate=FetchedValue())
            twice: Mapped[str] = mapped_column(String(40), Computed("text || text"))

        async with models.Base.database.engine.begin() as connection:
            await connection.run_sync(Stamped.__table__.create)
            await connection.exec_driver_sql(
                "CREATE TRIGGER mark AFTER UPDATE ON stamped BEGIN UPDATE stamped SET stamp = 7 WHERE id = new.id; END"
            )
        row = await Stamped.query.create(text="a")
        await write(row)
        assert await Stamped.query.values("text", "stamp", "twice") == [{"text": "b", "stamp": 7, "twice": "bb"}]
        assert (row.stamp, row.twice) == (7, "bb")
