"""An instance after it was written: what was set to its old value, what waits, and what receivers left out."""

from __future__ import annotations

import pytest
import pytest_asyncio
from sqlalchemy import Double, String, event, inspect
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.orm.exc import StaleDataError
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


@WAYS
async def test_rollback_brings_back_that_an_attribute_was_set_to_an_equal_value(page, write) -> None:
    page.text = "a"
    with pytest.raises(RuntimeError, match="undo"):
        async with type(page).database.transaction():
            await write(page, note="c")
            raise RuntimeError("undo")
    assert inspect(page).attrs.text.history.unchanged == ["a"]
    assert (inspect(page).modified, page.text) == (True, "a")


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
