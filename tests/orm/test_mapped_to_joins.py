"""Classes that are mapped to a join are written and heard; a session with a class of a SELECT is left alone."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, ForeignKey, Integer, String, Table, join, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import column_property

import aldis

pytestmark = pytest.mark.asyncio


def tables_of(metadata) -> tuple[Table, Table]:
    return (
        Table("person", metadata, Column("id", Integer, primary_key=True), Column("name", String(20))),
        Table(
            "address",
            metadata,
            Column("id", Integer, primary_key=True),
            Column("person_id", ForeignKey("person.id")),
            Column("street", String(20)),
            Column("changes", String(20), onupdate="changed"),
        ),
    )


def contact_of(models):
    person, address = tables_of(models.Base.metadata)

    class Contact(models.Base):
        __table__ = join(person, address)
        id = column_property(person.c.id, address.c.person_id)
        address_id = address.c.id

    return Contact


async def create(models) -> None:
    async with models.database.engine.begin() as connection:
        await connection.run_sync(models.Base.metadata.create_all)


async def stored(models, name) -> list[tuple]:
    table = models.Base.metadata.tables[name]
    async with models.database.engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(select(table).order_by(table.c.id))]


async def session_writes(models, contacts) -> None:
    async with AsyncSession(models.database.engine, expire_on_commit=False) as session:
        session.add_all(contacts)
        await session.commit()


async def each_saves(_models, contacts) -> None:
    for each in contacts:
        await each.save()


async def bulk_writes(_models, contacts) -> None:
    query = type(contacts[0]).query
    await (query.bulk_update if contacts[0].id else query.bulk_create)(contacts)


@pytest.mark.parametrize("is_heard", [False, True])
@pytest.mark.parametrize("write", [session_writes, each_saves, bulk_writes])
async def test_class_of_a_join_is_written_to_both_tables_and_heard(models, write, is_heard) -> None:
    model = contact_of(models)
    await create(models)
    told = []

    def note(sender, model_instance, column_values, changes) -> None:
        told.append((model_instance.name, sorted(changes)))

    if is_heard:
        for name in ("post_save", "post_update"):
            model.meta.signals[name].connect(note, model)
    contacts = [model(name=name, street=f"{name} street") for name in ("Ada", "Bob")]
    await write(models, contacts)
    contacts[0].street = "new"
    await write(models, contacts[:1])
    ids = [each.id for each in contacts]
    assert await stored(models, "person") == [(ids[0], "Ada"), (ids[1], "Bob")]
    assert [row[1:] for row in await stored(models, "address")] == [
        (ids[0], "new", "changed"),
        (ids[1], "Bob street", None),
    ]
    new = ["address_id", "id", "name", "street"]
    assert told == ([("Ada", new), ("Bob", new), ("Ada", ["changes", "street"])] if is_heard else [])
    for each in contacts:
        assert await each.delete()
    assert await stored(models, "person") == await stored(models, "address") == []


async def test_session_with_a_class_of_a_select_is_left_alone_until_somebody_listens(models) -> None:
    person, _ = tables_of(models.Base.metadata)
    selected = select(person).subquery()

    class Selected(models.Base):
        __table__ = selected
        __mapper_args__ = {"primary_key": [selected.c.id]}  # noqa: RUF012

    await create(models)
    async with models.database.engine.begin() as connection:
        await connection.execute(person.insert(), [{"id": 1, "name": "Ada"}])
    async with AsyncSession(models.database.engine) as session:
        found = (await session.scalars(select(Selected))).one()
        found.name = "Eve"
        await session.flush()
        await session.rollback()

    async def nobody(sender, **kwargs) -> None: ...

    Selected.meta.signals.post_save.connect(nobody, Selected)
    async with AsyncSession(models.database.engine) as session:
        found = (await session.scalars(select(Selected))).one()
        found.name = "Eve"
        with pytest.raises(aldis.AldisError, match="Selected is mapped to Subquery, which is no table"):
            await session.flush()
