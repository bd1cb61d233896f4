"""``bulk_update_or_create`` in one statement sets a stored row as an UPDATE of it would, or looks first."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, Integer, String, Table
from sqlalchemy.orm import Mapped, mapped_column

pytestmark = pytest.mark.asyncio


async def create(models, *tables) -> None:
    async with models.database.engine.begin() as connection:
        for each in tables:
            await connection.run_sync(each.create)


async def nobody(sender, **kwargs) -> None: ...


@pytest.mark.parametrize("is_heard", [False, True])
async def test_none_is_stored_as_null_in_a_row_that_is_found_and_lets_a_default_serve_in_a_new_one(
    models, is_heard
) -> None:
    class Note(models.Base):
        __tablename__ = "note"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        word: Mapped[str | None] = mapped_column(default="client")
        other: Mapped[str | None] = mapped_column(server_default="server")

    await create(models, Note.__table__)
    if is_heard:
        Note.meta.signals.post_update.connect(nobody, Note)
    for given, stored, new in [
        ({"word": None}, (None, "old"), ("client", "server")),
        ({"other": None}, ("old", None), ("client", "server")),
        ({"word": None, "other": None}, (None, None), ("client", "server")),
        ({"word": "w", "other": None}, ("w", None), ("w", "server")),
    ]:
        await Note.query.delete()
        await Note.query.create(id=1, word="old", other="old")
        notes = await Note.query.bulk_update_or_create([{"id": number, **given} for number in (1, 2)])
        assert [(each.word, each.other) for each in notes] == [stored, new]
        assert [(row["word"], row["other"]) for row in await models.stored(Note)] == [stored, new]


@pytest.mark.parametrize("is_heard", [False, True])
async def test_init_makes_the_values_of_new_rows_alone(models, is_heard) -> None:
    class Label(models.Base):
        __tablename__ = "label"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        word: Mapped[str]

        def __init__(self, **values) -> None:
            super().__init__(**values)
            self.word = self.word.upper()

    await create(models, Label.__table__)
    if is_heard:
        Label.meta.signals.post_update.connect(nobody, Label)
    await Label.query.create(id=1, word="old")
    await Label.query.bulk_update_or_create([{"id": 1, "word": "found"}, {"id": 2, "word": "made"}])
    assert [row["word"] for row in await models.stored(Label)] == ["found", "MADE"]


@pytest.mark.parametrize("is_heard", [False, True])
async def test_column_that_is_not_mapped_has_its_onupdate(models, is_heard) -> None:
    table = Table(
        "parcel",
        models.Base.metadata,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("word", String(20)),
        Column("changes", String(20), onupdate="changed"),
    )

    class Parcel(models.Base):
        __table__ = table
        __mapper_args__ = {"include_properties": ["id", "word"]}  # noqa: RUF012

    await create(models, table)
    if is_heard:
        Parcel.meta.signals.post_update.connect(nobody, Parcel)
    await Parcel.query.create(id=1, word="old")
    await Parcel.query.bulk_update_or_create([{"id": number, "word": "new"} for number in (1, 2)])
    rows = await models.stored(Parcel)
    assert [(row["word"], row["changes"]) for row in rows] == [("new", "changed"), ("new", None)]
