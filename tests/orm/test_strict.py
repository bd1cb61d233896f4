"""Strict mode: statements over many rows are refused where a receiver would miss rows."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import aldis
from aldis.signals import LIFECYCLE


@pytest.fixture
def people():
    """Return classes of one table with signals of their own, and the names of what fired."""

    class Base(aldis.Model, DeclarativeBase):
        database = aldis.Database("sqlite+aiosqlite://")

    for signal in LIFECYCLE:
        setattr(Base.meta.signals, signal.name, aldis.NamedSignal(signal.name))

    class Person(Base):
        __tablename__ = "person"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        kind: Mapped[str] = mapped_column(default="person")
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}  # noqa: RUF012

    class Admin(Person):
        __mapper_args__ = {"polymorphic_identity": "admin"}  # noqa: RUF012

    return Person, Admin, Base.database


async def create_tables(database, Person) -> None:
    async with database.transaction() as connection:
        await connection.run_sync(Person.metadata.create_all)


async def audit(sender, **kwargs) -> None: ...


async def test_statements_over_many_rows_are_refused_where_somebody_listens(people) -> None:
    Person, _, database = people
    async with database:
        await create_tables(database, Person)
        ada = await Person.query.create(name="Ada")
        Person.meta.signals.post_update.connect(audit, Person)
        Person.meta.signals.pre_delete.connect(audit, Person)
        Person.meta.signals.post_save.connect(audit, Person)
        async with database.session() as session:
            with aldis.strict():
                with pytest.raises(aldis.RefusedError) as caught:
                    await Person.query.filter(name="Ada").update(name="Eve")
                with pytest.raises(aldis.RefusedError, match=r"^Person.query.delete\(\) is refused .*one by one,"):
                    await Person.query.delete()
                for statement, call in (
                    (update(Person).values(name="Eve"), r"update\(Person\)"),
                    (delete(Person), r"delete\(Person\)"),
                    (insert(Person).from_select(["name"], select(literal("Eve"))), r"insert\(Person\)\.from_select"),
                ):
                    with pytest.raises(aldis.RefusedError, match=f"^{call}.* is refused by aldis.strict"):
                        await session.execute(statement)
        assert str(caught.value) == (
            "Person.query.update() is refused by aldis.strict(): "
            f"{__name__}.audit listens to post_save of Person, and would not be told of each row. Instead, update the "
            "instances (bulk_update, or save() of each), or run the call outside of strict mode."
        )
        assert [person.name for person in await Person.query.all()] == [ada.name]
        assert await Person.query.update(name="Eve") == 1


async def test_what_is_told_row_by_row_is_not_refused(people) -> None:
    Person, _, database = people
    told = []

    async def hear(sender, values) -> None:
        told.append(values)

    async with database:
        await create_tables(database, Person)
        Person.meta.signals.pre_update.connect(hear, Person)
        Person.meta.signals.pre_save.connect(hear, Person)
        with aldis.strict():
            (ada,) = await Person.query.bulk_create([{"name": "Ada"}])
            await ada.update(name="Bob")
            async with database.session() as session:
                await session.execute(update(Person), [{"id": ada.id, "name": "Eve"}])
                await session.execute(insert(Person), [{"name": "Fay"}])
                await session.execute(update(Person.__table__).values(name="Kim"))
                await session.commit()
            assert await Person.query.delete() == 2  # nobody listens to the delete signals
        assert told == [{"name": "Ada"}, {"name": "Bob"}, {"id": ada.id, "name": "Eve"}, {"name": "Fay"}]


async def test_receiver_of_a_class_below_counts(people) -> None:
    Person, Admin, database = people
    async with database:
        await create_tables(database, Person)
        Admin.meta.signals.pre_delete.connect(audit, Admin)
        with aldis.strict():
            with pytest.raises(aldis.RefusedError, match=r"^Person.query.delete.* listens to pre_delete of Admin,"):
                await Person.query.delete()
            with aldis.signals_disabled():
                assert await Person.query.delete() == 0


async def test_strict_database(people) -> None:
    Person, _, _ = people
    engine = create_async_engine("sqlite+aiosqlite://")
    Person.meta.signals.pre_delete.connect(audit, Person)
    async with aldis.Database(engine, strict=True) as database:
        await create_tables(database, Person)
        with pytest.raises(aldis.RefusedError, match=r"is refused by Database\(strict=True\)"):
            await Person.query.using(database).delete()
        async with AsyncSession(engine) as session:
            with pytest.raises(aldis.RefusedError, match=r"delete\(Person\) is refused by Database"):
                await session.execute(delete(Person))
