"""What cannot be done is said at once, with the value and what to do; nothing is written."""

from __future__ import annotations

import pytest
from sqlalchemy import LargeBinary, inspect, select
from sqlalchemy.exc import IntegrityError, StatementError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.hybrid import hybrid_method, hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import aldis


@pytest.mark.parametrize("inside", [False, True])
async def test_value_of_a_wrong_type(models, inside) -> None:
    User = models.User
    ada = await User.query.create(name="ada")

    async def refused(operation):
        with pytest.raises(StatementError) as caught:
            await operation
        assert caught.value.__cause__ is not None

    async def attempts():
        new = User(name="new", created="no date")
        await refused(new.save())
        assert (inspect(new).transient, new.created) == (True, "no date")
        await refused(User.query.create(name="new", created="no date"))
        await refused(User.query.bulk_create([{"name": "a"}, {"name": "new", "created": "no date"}]))
        await refused(ada.update(created="no date"))
        assert not inspect(ada).modified
        await refused(User.query.bulk_update([{"id": ada.id, "created": "no date"}]))
        await refused(User.query.update(created="no date"))

    if inside:
        async with models.database.transaction():
            await attempts()
            await User.query.create(name="last")
    else:
        await attempts()
    assert [row["name"] for row in await models.stored()] == ["ada", *["last"] * inside]


async def test_value_that_the_driver_refuses_after_the_statements_before_it(models) -> None:
    """psycopg converts a text for bytes, and libpq refuses it when the savepoint has been sent already."""

    class File(models.Base):
        __tablename__ = "file"
        id: Mapped[int] = mapped_column(primary_key=True)
        content: Mapped[bytes] = mapped_column(LargeBinary)

    async with models.database.transaction() as connection:
        await connection.run_sync(File.__table__.create)
    async with models.database.transaction():
        first = await File.query.create(content=b"a")
        for operation in (lambda: File.query.create(content="text"), lambda: first.update(content="text")):
            with pytest.raises((TypeError, StatementError), match="bytes|encoding"):
                await operation()
            await File.query.create(content=b"b")
    assert await File.query.filter(content=b"b").count() == 2


async def test_attribute_that_there_is_not(models) -> None:
    User = models.User
    ada = await User.query.create(name="ada")
    wrong = {"nam": "x"}
    for refused in (
        lambda: User.query.create(**wrong),
        lambda: User.query.bulk_create([wrong]),
        lambda: User.query.get_or_create(name="b", defaults=wrong),
    ):
        with pytest.raises(TypeError, match="'nam' is an invalid keyword argument for User"):
            await refused()
    for refused in (
        lambda: ada.update(**wrong),
        lambda: ada.save(values=wrong),
        lambda: User.query.update(**wrong),
        lambda: User.query.get(**wrong),
        lambda: User.query.get_or_create(**wrong),
        lambda: User.query.update_or_create(name="ada", defaults=wrong),
        lambda: User.query.bulk_update([ada], ["nam"]),
        lambda: User.query.bulk_update([{"id": ada.id, "nam": "x"}]),
        lambda: User.query.bulk_get_or_create([{"name": "b"}], unique_fields=["nam"]),
        lambda: User.query.bulk_update_or_create([{"name": "b"}], ["nam"], unique_fields=["name"]),
    ):
        with pytest.raises(aldis.UnknownAttributeError, match=r"'nam' is no attribute of User. Did you mean 'name'\?"):
            await refused()
    with pytest.raises(TypeError, match=r"update_fields is 'name': give a sequence of names, \['name'\]"):
        await User.query.bulk_update([ada], "name")
    assert [row["name"] for row in await models.stored()] == ["ada"]


async def test_row_that_is_no_row(models) -> None:
    User, query = models.User, models.User.query
    ada = await query.create(name="ada")
    for method, options in (
        (query.bulk_create, {}),
        (query.bulk_update, {}),
        (query.bulk_get_or_create, {"unique_fields": ["name"]}),
        (query.bulk_update_or_create, {"unique_fields": ["name"]}),
    ):
        name = method.__name__
        with pytest.raises(TypeError, match=rf"row 1 is <.*Log.*>: {name} takes instances of User"):
            await method([models.Log(text="x")], **options)
        for nothing in (None, "ada", {"name": "x"}, 5):
            with pytest.raises(TypeError, match="the rows are .*: give an iterable"):
                await method(nothing, **options)
        with pytest.raises(ValueError, match="batch_size is 0; it takes a number of rows, from 1"):
            await method([], batch_size=0, **options)
    with pytest.raises(
        aldis.AlreadyStoredError, match="row 2, .*, is stored already: bulk_create inserts new instances"
    ):
        await query.bulk_create([User(name="b"), ada])
    with pytest.raises(aldis.NotSavedError, match="row 1, .*, has not been saved: bulk_update updates stored"):
        await query.bulk_update([User(name="b")])
    with pytest.raises(
        aldis.ConfigurationError, match="row 1, {'name': 'b'}, has no id: bulk_update finds a row by its"
    ):
        await query.bulk_update([{"name": "b"}])
    with pytest.raises(
        aldis.ConfigurationError, match="row 1, .*, has no name, by which bulk_get_or_create tells rows"
    ):
        await query.bulk_get_or_create([{"mail": "b"}], unique_fields=["name"])
    with pytest.raises(aldis.ConfigurationError, match="was given twice: each is one row"):
        await query.bulk_create([new := User(name="b"), new])
    with pytest.raises(aldis.ConfigurationError, match="row 2, .*, has the unique values of another in its batch"):
        await query.bulk_update_or_create([{"name": "b"}, {"name": "b"}], unique_fields=["name"])
    with pytest.raises(aldis.ObjectNotFound, match=r"User \(77,\) cannot be updated: its row is gone"):
        await query.bulk_update([{"id": ada.id, "name": "x"}, {"id": 77, "name": "y"}])
    await query.create(name="b")
    with pytest.raises(
        aldis.MultipleObjectsReturned, match="more than one User meets is_verified=False: unique_fields"
    ):
        await query.bulk_get_or_create([{"is_verified": False}], unique_fields=["is_verified"])
    assert [row["name"] for row in await models.stored()] == ["ada", "b"]


async def test_instance_in_a_session(models) -> None:
    await models.User.query.create(name="ada")
    async with AsyncSession(models.database.engine) as session:
        ada = await session.scalar(select(models.User))
        with pytest.raises(aldis.ConfigurationError, match="belongs to a session"):
            await models.User.query.bulk_update([ada])
    assert [row["name"] for row in await models.stored()] == ["ada"]


async def test_using_something_else(models) -> None:
    with pytest.raises(
        aldis.ConfigurationError, match="using is 'nowhere': give an aldis.Database, an AsyncConnection"
    ):
        await models.User(name="x").save(using="nowhere")


async def test_class_that_is_mapped_to_no_table() -> None:
    class Base(aldis.Model, DeclarativeBase):
        pass

    for ask in (lambda: Base.query, lambda: aldis.Model.query):
        with pytest.raises(aldis.ConfigurationError, match="is not mapped to a table: give it a __tablename__"):
            ask()


async def test_using_a_session_is_in_its_transaction(models) -> None:
    async with AsyncSession(models.database.engine) as session:
        ada = await models.User(name="ada").save(using=session)
        assert await models.User.query.using(session).count() == 1
        await ada.update(name="Ada", using=session)
        assert await session.scalar(select(models.User.name)) == "Ada"
        await session.rollback()
        await models.User.query.using(session).create(name="bob")
        await session.commit()
    assert [row["name"] for row in await models.stored()] == ["bob"]


async def test_session_of_a_database(models) -> None:
    async with models.database.session() as session:
        session.add(models.User(name="ada"))
        await session.commit()
    with pytest.raises(ValueError, match="no"):
        async with models.database.transaction():
            await models.User.query.create(name="bob")
            async with models.database.session() as session:
                assert len((await session.scalars(select(models.User))).all()) == 2
                session.add(models.User(name="eve"))
                await session.commit()
            assert await models.User.query.count() == 3
            raise ValueError("no")
    assert [row["name"] for row in await models.stored()] == ["ada"]


async def test_names_instead_of_values(models) -> None:
    with pytest.raises(TypeError, match=r"values is {'name'}: save\(\) takes new values by attribute name, .*update\("):
        await models.User(name="ada").save(values={"name"})
    assert await models.stored() == []


class WithExtras:
    """Attributes beside the columns; for a model class."""

    nickname: str = ""
    """A declared field."""
    version = 1
    """A plain attribute of the class, which nobody declares for instances."""

    @property
    def loud(self):
        return self.name.upper()

    @loud.setter
    def loud(self, value):
        self.name = value.lower()

    @property
    def length(self):
        return len(self.name)

    @hybrid_property
    def shown(self):
        return self.name

    @shown.inplace.setter
    def _shown_setter(self, value):
        self.name = value

    @hybrid_property
    def fixed(self):
        return self.name

    @hybrid_method
    def is_called(self, name):
        return self.name == name


@pytest.fixture
def extended(models):
    class Base(aldis.Model, DeclarativeBase):
        database = models.database

    class Extended(WithExtras, Base):
        __table__ = models.User.__table__.to_metadata(Base.metadata)
        __allow_unmapped__ = True

    return Extended


NOT_TO_BE_SET = (
    "save query meta database __dict__ __class__ __doc__ _aldis_meta metadata registry version length fixed is_called"
)


async def test_names_that_a_stranger_must_not_set(models, extended) -> None:
    ada = await extended.query.create(name="ada")
    before = dict(ada.__dict__)
    for name in NOT_TO_BE_SET.split():
        values = {"is_verified": True, name: {}}
        for refused in (
            lambda values: ada.update(**values),
            lambda values: ada.save(values=values),
            lambda values: extended.query.create(name="b", **values),
            lambda values: extended.query.bulk_create([{"name": "b", **values}]),
            lambda values: extended.query.bulk_update([{"id": ada.id, **values}]),
            lambda values: extended.query.get_or_create(name="b", defaults=values),
            lambda values: extended.query.update_or_create(name="ada", defaults=values),
            lambda values: extended.query.bulk_get_or_create([{"name": "b", **values}], unique_fields=["name"]),
        ):
            with pytest.raises(aldis.UnknownAttributeError, match=f"'{name}' of Extended cannot be set by name"):
                await refused(values)
        assert ada.__dict__ == before
    async with models.database.session() as session:
        held = await session.get(extended, ada.id)
        for refused in (lambda: held.update(is_verified=True, save=1), lambda: held.save(values={"save": 1})):
            with pytest.raises(aldis.UnknownAttributeError, match="'save' of Extended cannot be set by name"):
                await refused()
        assert held.is_verified is False
    assert [(row["name"], row["is_verified"]) for row in await models.stored()] == [("ada", False)]
    with pytest.raises(aldis.UnknownAttributeError, match="'_sa_instance_state' is no attribute of Extended"):
        await ada.update(_sa_instance_state=None)
    await ada.update(name="still usable")


async def test_name_that_is_like_no_other_gets_the_list_of_them(models) -> None:
    ada = await models.User.query.create(name="ada")
    for name in ("save", "load", "meta"):
        with pytest.raises(aldis.UnknownAttributeError, match=f"'{name}' of User cannot be set by name: ") as raised:
            await ada.update(**{name: 1})
        assert "Did you mean" not in str(raised.value)
        assert ". It has created, " in str(raised.value)


async def test_names_that_a_class_declares_are_set(models, extended) -> None:
    ada = await extended.query.create(shown="ada", nickname="a")
    assert (ada.name, ada.nickname) == ("ada", "a")
    await ada.update(loud="EVE", nickname="e")
    assert (ada.name, ada.nickname) == ("eve", "e")
    await ada.save(values={"shown": "joe"})
    assert [row["name"] for row in await models.stored()] == ["joe"]


async def test_parameter_of_a_constructor_is_set_whatever_its_name(models, extended) -> None:
    class Own(extended):
        def __init__(self, version, **values):
            super().__init__(**values)
            self.note = version

    made = await Own.query.create(version="two", name="ada")
    assert (made.note, Own.version) == ("two", 1)
    with pytest.raises(aldis.UnknownAttributeError, match="'save' of Own cannot be set by name"):
        await Own.query.create(version="two", name="eve", save=1)


async def test_error_of_a_row_is_raised_and_not_logged_as_well(models, caplog) -> None:
    query = models.User.query
    await query.create(name="ada")
    async with models.database.transaction():
        for refused in (
            lambda: query.create(name="ada"),
            lambda: query.bulk_create([{"name": "b"}, {"name": "ada"}]),
            lambda: query.bulk_create([{"name": f"{number}", "created": "no date"} for number in range(25)]),
        ):
            with pytest.raises((IntegrityError, StatementError)):
                await refused()
        await query.create(name="last")
    assert [record.getMessage() for record in caplog.records] == []
    assert [row["name"] for row in await models.stored()] == ["ada", "last"]


async def test_database_that_there_is_not_leaves_the_instance_as_it_was(models) -> None:
    ada = await models.User.query.create(name="ada")
    for refused in (lambda: ada.update(using=7, name="b"), lambda: ada.save(values={"name": "b"}, using=7)):
        with pytest.raises(aldis.ConfigurationError, match="using is 7"):
            await refused()
        assert (ada.name, inspect(ada).modified) == ("ada", False)


async def test_values_that_go_by_no_name(models) -> None:
    ada = await models.User.query.create(name="ada")
    for values in ({models.User.name: "b"}, {1: "b"}):
        with pytest.raises(aldis.UnknownAttributeError, match="is no name of an attribute of User: values go by name"):
            await ada.save(values=values)
    assert ada.name == "ada"
