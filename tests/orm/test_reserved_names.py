"""A class that hides a name of aldis.Model is refused when it is mapped."""

from __future__ import annotations

import copy
import functools

import pytest
from sqlalchemy import Column, ForeignKey, Integer, Table, Text
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column, registry, relationship, synonym

import aldis

RESERVED = ["database", "delete", "load", "meta", "query", "relation", "save", "update"]


def model(*mixins: type, name: str = "Order", **attributes):
    class Base(aldis.Model, DeclarativeBase): ...

    return type(name, (Base, *mixins), {"__tablename__": "order", "id": mapped_column(primary_key=True), **attributes})


async def in_its_place(self, **values: object) -> None: ...


@pytest.fixture
def id_mapped():
    """``Mapped[int]`` of a class that type() makes."""
    return {"__annotations__": {"id": Mapped[int]}}


@pytest.mark.parametrize("name", RESERVED)
def test_column_and_property_are_refused(name, id_mapped) -> None:
    with pytest.raises(aldis.ConfigurationError) as caught:
        model(**id_mapped, **{name: mapped_column(Text)})
    assert str(caught.value) == (
        f"Order.{name} is a column and would hide aldis.Model's own {name!r}. "
        f'Call the attribute {name}_ and leave the column its name: {name}_ = mapped_column("{name}"). '
        "Or leave aldis.Model out: receivers hear the class without it, from sessions."
    )
    with pytest.raises(aldis.ConfigurationError, match=f"Order.{name} is a property .* to {name}_ for example"):
        model(**id_mapped, **{name: property(str)})


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"save": lambda self: None}, r"is a plain function .* or override aldis.Model's by `async def save`\. Or"),
        ({"save": functools.partialmethod(lambda self: None)}, "is a plain function"),
        ({"query": staticmethod(lambda: None)}, r"is a plain function .* to query_ for example\. Or"),
        ({"query": in_its_place}, "is an async function"),
        ({"update": classmethod(lambda cls: None)}, "is a plain function"),
        ({"load": hybrid_property(lambda self: self.id)}, "is a property"),
        ({"load": functools.cached_property(lambda self: self.id)}, "is a property"),
        ({"delete": synonym("id")}, "is a mapped attribute"),
        ({"meta": relationship("Order", primaryjoin="foreign(Order.id) == remote(Order.id)")}, "is a relationship"),
    ],
)
def test_each_kind_is_named(attributes, message, id_mapped) -> None:
    with pytest.raises(aldis.ConfigurationError, match=message):
        model(**id_mapped, **attributes)


def test_column_of_a_table_is_refused() -> None:
    class Order(aldis.Model): ...

    own = registry()
    table = Table("order", own.metadata, Column("id", Integer, primary_key=True), Column("query", Text))
    with pytest.raises(aldis.ConfigurationError, match="Order.query is a column"):
        own.map_imperatively(Order, table)


def test_function_that_the_mixin_would_hide_is_refused(id_mapped) -> None:
    class Crud:
        def save(self) -> None: ...

    with pytest.raises(aldis.ConfigurationError) as caught:
        model(Crud, **id_mapped)
    assert str(caught.value) == (
        "Order.save (of Crud) is a plain function and would be hidden by aldis.Model's own 'save'. "
        "Rename it, to save_ for example. Or leave aldis.Model out: receivers hear the class without it, from sessions."
    )


@pytest.mark.parametrize("value", [None, mapped_column(Text), declared_attr(lambda cls: mapped_column(Text))])
@pytest.mark.parametrize("place", ["before", "after", "abstract"])
@pytest.mark.parametrize("name", RESERVED)
def test_column_of_a_mixin_is_refused(name, place, value) -> None:
    class Base(aldis.Model, DeclarativeBase):
        database = aldis.Database("sqlite+aiosqlite://")

    declared = {"__annotations__": {name: Mapped[str]}, **({} if value is None else {name: copy.copy(value)})}
    if place == "abstract":
        bases = (type("Mixin", (Base,), {"__abstract__": True, **declared}),)
    else:
        mixin = type("Mixin", (), declared)
        bases = (mixin, Base) if place == "before" else (Base, mixin)
    columns = {"__annotations__": {"id": Mapped[int]}, "id": mapped_column(primary_key=True)}
    with pytest.raises(aldis.ConfigurationError, match=rf"Order\.{name} .*own '{name}'\. Call the attribute {name}_ "):
        type("Order", bases, {"__tablename__": "order", **columns})


def test_backref_is_refused_when_mappers_are_configured(id_mapped) -> None:
    Order = model(**id_mapped)
    Base = Order.__mro__[1]

    class Line(Base):
        __tablename__ = "line"
        id: Mapped[int] = mapped_column(primary_key=True)
        order_id = mapped_column(ForeignKey("order.id"))
        order = relationship(Order, backref="update")

    with pytest.raises(aldis.ConfigurationError, match="Order.update is a relationship"):
        Base.registry.configure()
    Base.registry.dispose()


def test_what_is_no_collision_is_mapped(id_mapped) -> None:
    database = aldis.Database("sqlite+aiosqlite://")

    def logged(function):
        @functools.wraps(function)
        def call(*arguments, **named):
            return function(*arguments, **named)

        return call

    async def save(self) -> str:
        return "mine"

    Order = model(
        **id_mapped, save=save, update=logged(in_its_place), database=database, values=mapped_column(Text),
        query_=mapped_column("query", Text),
    )  # fmt: skip
    assert (Order.save, Order.meta.database) == (save, database)
    assert list(Order.__table__.columns.keys()) == ["id", "values", "query"]
    assert isinstance(Order.query, aldis.QuerySet)


def test_renamed_class_can_be_declared_again() -> None:
    class Base(aldis.Model, DeclarativeBase): ...

    with pytest.raises(aldis.ConfigurationError):

        class Order(Base):
            __tablename__ = "order"
            id: Mapped[int] = mapped_column(primary_key=True)
            query: Mapped[str]

    class OrderAgain(Base):
        __tablename__ = "order"
        id: Mapped[int] = mapped_column(primary_key=True)
        query_: Mapped[str] = mapped_column("query")

    Base.registry.configure()
    assert Base.metadata.tables["order"] is OrderAgain.__table__
