"""The mappings and flush patterns of SQLAlchemy's manual, each with the signals that it fires, in their order.

A step is written as what happens to which row: ``+ user ada`` is a row to insert, ``~`` one to update, ``-`` one to
delete; ``<`` stands before the SQL and ``>`` after.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import Column, ForeignKey, String, Table, delete, event, insert, inspect, select, update
from sqlalchemy.ext.associationproxy import association_proxy
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.ext.orderinglist import ordering_list
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    attribute_keyed_dict,
    backref,
    column_property,
    deferred,
    mapped_column,
    relationship,
    selectinload,
    validates,
    with_parent,
)

import aldis
from aldis.signals import LIFECYCLE

Steps = list[str]
Pattern = Callable[[type[Any]], Callable[[AsyncSession, Callable[[str], Steps]], Awaitable[None]]]
PATTERNS: list[Pattern] = []


def pattern(function: Pattern) -> Pattern:
    """Let a function be one of the patterns: it maps classes, and returns what is done with them in a session."""
    PATTERNS.append(function)
    return function


def words(text: str) -> Steps:
    """Return the steps of a text, separated by commas."""
    return [step.strip() for step in text.split(",") if step.strip()]


class Named:
    """Columns that most of the classes have."""

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), default="")


async def fired(which: Pattern) -> None:
    """Map the classes of a pattern, do what it does, and compare the signals with what it says."""

    class Base(aldis.Model, DeclarativeBase):
        pass

    steps: Steps = []
    for signal in LIFECYCLE:
        setattr(Base.meta.signals, signal.name, aldis.NamedSignal(signal.name))

    def note(when: str, instance: Any, sign: str) -> None:
        if not isinstance(instance, aldis.QuerySet):
            label = getattr(instance, "name", None) or getattr(instance, "label", "")
            steps.append(f"{when}{sign} {type(instance).__name__.lower()} {label}".strip())
        else:
            steps.append(f"{when}{sign} {instance.model.__name__.lower()}s")

    signals = Base.meta.signals

    async def pre_save(sender, instance, model_instance, is_update):
        note("<", model_instance, "~" if is_update else "+")

    async def post_save(sender, instance, model_instance, is_update):
        note(">", model_instance, "~" if is_update else "+")

    async def pre_update(sender, instance):
        note("<", instance, "~~")

    async def post_update(sender, instance):
        note(">", instance, "~~")

    async def pre_delete(sender, instance):
        note("<", instance, "-")

    async def post_delete(sender, instance):
        note(">", instance, "-")

    for receiver in (pre_save, post_save, pre_update, post_update, pre_delete, post_delete):
        signals[receiver.__name__].connect(receiver)
    work = which(Base)
    engine = create_async_engine("sqlite+aiosqlite://")
    event.listen(engine.sync_engine, "connect", lambda driver, _: driver.execute("PRAGMA foreign_keys=ON"))
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)

    def since(expected: str) -> Steps:
        """Compare the steps since the last time."""
        assert steps == words(expected)
        steps.clear()
        return steps

    async with AsyncSession(engine, expire_on_commit=False) as session:
        await work(session, since)
    assert steps == []
    await engine.dispose()


@pattern
def insert_update_delete(Base):
    class User(Named, Base):
        __tablename__ = "user"

    async def work(session, since):
        ada = User(name="ada")
        session.add(ada)
        await session.commit()
        since("<+ user ada, >+ user ada")
        ada.name = "eve"
        await session.commit()
        since("<~ user eve, >~ user eve")
        await session.delete(ada)
        await session.commit()
        since("<- user eve, >- user eve")

    return work


@pattern
def nothing_has_changed(Base):
    class User(Named, Base):
        __tablename__ = "user"

    async def work(session, since):
        ada = User(name="ada")
        session.add(ada)
        await session.commit()
        since("<+ user ada, >+ user ada")
        ada.name = "ada"  # no net change
        await session.commit()
        ada.name = "eve"
        ada.name = "ada"
        await session.commit()
        await session.flush()
        since("")

    return work


@pattern
def many_rows_of_one_class_are_in_the_order_of_their_addition(Base):
    class User(Named, Base):
        __tablename__ = "user"

    async def work(session, since):
        session.add_all([User(name="c"), User(name="a"), User(name="b")])
        await session.flush()
        since("<+ user c, <+ user a, <+ user b, >+ user c, >+ user a, >+ user b")

    return work


@pattern
def stored_rows_are_in_the_order_of_their_keys(Base):
    class User(Named, Base):
        __tablename__ = "user"

    async def work(session, since):
        users = [User(name="a"), User(name="b")]
        session.add_all(users)
        await session.flush()
        since("<+ user a, <+ user b, >+ user a, >+ user b")
        users[1].name, users[0].name = "y", "x"
        await session.flush()
        since("<~ user x, <~ user y, >~ user x, >~ user y")

    return work


def parent_and_child(Base, **options):
    """Return two classes, one to many, each side with the other."""

    class Parent(Named, Base):
        __tablename__ = "parent"
        children = relationship("Child", back_populates="parent", **options)

    class Child(Named, Base):
        __tablename__ = "child"
        parent_id: Mapped[int | None] = mapped_column(
            ForeignKey("parent.id", ondelete="CASCADE" if options.get("passive_deletes") else None)
        )
        parent = relationship(Parent, back_populates="children")

    return Parent, Child


@pattern
def one_to_many_by_the_collection(Base):
    Parent, Child = parent_and_child(Base)

    async def work(session, since):
        session.add(Parent(name="p", children=[Child(name="a"), Child(name="b")]))
        await session.commit()
        since("<+ parent p, <+ child a, <+ child b, >+ parent p, >+ child a, >+ child b")

    return work


@pattern
def many_to_one_by_the_parent(Base):
    Parent, Child = parent_and_child(Base)

    async def work(session, since):
        session.add(Child(name="a", parent=Parent(name="p")))
        await session.commit()
        since("<+ parent p, <+ child a, >+ parent p, >+ child a")

    return work


@pattern
def many_to_one_is_set_to_another(Base):
    Parent, Child = parent_and_child(Base)

    async def work(session, since):
        child = Child(name="a", parent=Parent(name="p"))
        session.add(child)
        await session.commit()
        since("<+ parent p, <+ child a, >+ parent p, >+ child a")
        child.parent = Parent(name="q")
        await session.commit()
        since("<+ parent q, <~ child a, >+ parent q, >~ child a")
        assert child.parent_id == child.parent.id == 2

    return work


@pattern
def delete_of_a_parent_sets_its_children_free(Base):
    Parent, Child = parent_and_child(Base)

    async def work(session, since):
        parent = Parent(name="p", children=[Child(name="a")])
        session.add(parent)
        await session.commit()
        since("<+ parent p, <+ child a, >+ parent p, >+ child a")
        await session.delete(parent)
        await session.commit()
        # The flush itself finds the child: its signal is fired when its row comes.
        since("<- parent p, <~ child a, >~ child a, >- parent p")

    return work


@pattern
def child_is_taken_out_of_the_collection(Base):
    Parent, Child = parent_and_child(Base)

    async def work(session, since):
        parent = Parent(name="p", children=[Child(name="a"), Child(name="b")])
        session.add(parent)
        await session.commit()
        since("<+ parent p, <+ child a, <+ child b, >+ parent p, >+ child a, >+ child b")
        parent.children.pop()
        await session.commit()
        since("<~ child b, >~ child b")

    return work


@pattern
def collection_without_a_way_back(Base):
    class Parent(Named, Base):
        __tablename__ = "parent"
        children = relationship("Child")

    class Child(Named, Base):
        __tablename__ = "child"
        parent_id: Mapped[int | None] = mapped_column(ForeignKey("parent.id"))

    async def work(session, since):
        parent = Parent(name="p", children=[Child(name="a")])
        session.add(parent)
        await session.commit()
        since("<+ parent p, <+ child a, >+ parent p, >+ child a")
        child = parent.children.pop()
        await session.commit()
        since("<~ child a, >~ child a")
        assert child.parent_id is None

    return work


@pattern
def cascade_delete(Base):
    Parent, Child = parent_and_child(Base, cascade="all")

    async def work(session, since):
        parent = Parent(name="p", children=[Child(name="a"), Child(name="b")])
        session.add(parent)
        await session.commit()
        since("<+ parent p, <+ child a, <+ child b, >+ parent p, >+ child a, >+ child b")
        await session.delete(parent)
        await session.commit()
        since("<- child b, <- child a, <- parent p, >- child a, >- child b, >- parent p")

    return work


@pattern
def delete_orphan(Base):
    Parent, Child = parent_and_child(Base, cascade="all, delete-orphan")

    async def work(session, since):
        parent = Parent(name="p", children=[Child(name="a"), Child(name="b")])
        session.add(parent)
        await session.commit()
        since("<+ parent p, <+ child a, <+ child b, >+ parent p, >+ child a, >+ child b")
        parent.children.remove(parent.children[0])
        await session.commit()
        since("<- child a, >- child a")
        parent.children = []
        await session.commit()
        since("<- child b, >- child b")

    return work


@pattern
def delete_orphan_without_a_way_back(Base):
    class Parent(Named, Base):
        __tablename__ = "parent"
        children = relationship("Child", cascade="all, delete-orphan")

    class Child(Named, Base):
        __tablename__ = "child"
        parent_id: Mapped[int] = mapped_column(ForeignKey("parent.id"))

    async def work(session, since):
        parent = Parent(name="p", children=[Child(name="a")])
        session.add(parent)
        await session.commit()
        since("<+ parent p, <+ child a, >+ parent p, >+ child a")
        parent.children = []
        await session.commit()
        since("<- child a, >- child a")

    return work


@pattern
def passive_deletes_leave_children_to_the_database(Base):
    Parent, Child = parent_and_child(Base, passive_deletes=True, cascade="all, delete")

    async def work(session, since):
        session.add(Parent(name="p", children=[Child(name="a")]))
        await session.commit()
        since("<+ parent p, <+ child a, >+ parent p, >+ child a")
        session.expunge_all()
        await session.delete(await session.scalar(select(Parent)))
        await session.commit()
        since("<- parent p, >- parent p")
        assert await session.scalar(select(Child)) is None

    return work


@pattern
def many_to_many(Base):
    Table("post_tag", Base.metadata, Column("post", ForeignKey("post.id")), Column("tag", ForeignKey("tag.id")))

    class Post(Named, Base):
        __tablename__ = "post"
        tags = relationship("Tag", secondary="post_tag", back_populates="posts")

    class Tag(Named, Base):
        __tablename__ = "tag"
        posts = relationship(Post, secondary="post_tag", back_populates="tags")

    async def work(session, since):
        post = Post(name="p", tags=[Tag(name="t")])
        session.add(post)
        await session.commit()
        since("<+ post p, <+ tag t, >+ post p, >+ tag t")
        post.tags = []  # a row of the secondary table, which is no model
        await session.commit()
        since("")

    return work


@pattern
def association_object(Base):
    class Post(Named, Base):
        __tablename__ = "post"
        links = relationship("Link", back_populates="post", cascade="all, delete-orphan")
        tags = association_proxy("links", "tag", creator=lambda tag: Link(tag=tag))

    class Tag(Named, Base):
        __tablename__ = "tag"

    class Link(Base):
        __tablename__ = "link"
        post_id: Mapped[int] = mapped_column(ForeignKey("post.id"), primary_key=True)
        tag_id: Mapped[int] = mapped_column(ForeignKey("tag.id"), primary_key=True)
        post = relationship(Post, back_populates="links")
        tag = relationship(Tag)

    async def work(session, since):
        post = Post(name="p")
        post.tags.append(Tag(name="t"))
        session.add(post)
        await session.commit()
        since("<+ post p, <+ tag t, <+ link, >+ post p, >+ tag t, >+ link")
        post.tags.clear()
        await session.commit()
        since("<- link, >- link")

    return work


@pattern
def one_to_one(Base):
    class User(Named, Base):
        __tablename__ = "user"
        profile = relationship("Profile", back_populates="user", uselist=False, cascade="all, delete-orphan")

    class Profile(Named, Base):
        __tablename__ = "profile"
        user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
        user = relationship(User, back_populates="profile")

    async def work(session, since):
        user = User(name="ada", profile=Profile(name="old"))
        session.add(user)
        await session.commit()
        since("<+ user ada, <+ profile old, >+ user ada, >+ profile old")
        user.profile = Profile(name="new")
        await session.commit()
        since("<+ profile new, <- profile old, >+ profile new, >- profile old")

    return work


def tree(Base):
    """Return a class whose rows are a tree."""

    class Node(Named, Base):
        __tablename__ = "node"
        parent_id: Mapped[int | None] = mapped_column(ForeignKey("node.id"))
        children = relationship(
            "Node", backref=backref("parent", remote_side="Node.id"), cascade="all, delete-orphan", single_parent=True
        )

    return Node


@pattern
def tree_goes_from_the_root_to_the_leaves(Base):
    Node = tree(Base)

    async def work(session, since):
        leaf = Node(name="leaf")
        session.add(leaf)
        branch = Node(name="branch", children=[leaf])
        session.add(branch)
        session.add(Node(name="root", children=[branch]))
        await session.commit()
        since("<+ node root, <+ node branch, <+ node leaf, >+ node root, >+ node branch, >+ node leaf")

    return work


@pattern
def tree_is_deleted_from_the_leaves_to_the_root(Base):
    Node = tree(Base)

    async def work(session, since):
        root = Node(name="root", children=[Node(name="branch", children=[Node(name="leaf")])])
        session.add(root)
        await session.commit()
        since("<+ node root, <+ node branch, <+ node leaf, >+ node root, >+ node branch, >+ node leaf")
        await session.delete(root)
        await session.commit()
        since("<- node leaf, <- node branch, <- node root, >- node leaf, >- node branch, >- node root")

    return work


@pattern
def branch_is_moved(Base):
    Node = tree(Base)

    async def work(session, since):
        one, two = Node(name="one"), Node(name="two")
        leaf = Node(name="leaf", parent=one)
        session.add_all([one, two, leaf])
        await session.commit()
        since("<+ node one, <+ node two, <+ node leaf, >+ node one, >+ node two, >+ node leaf")
        await session.refresh(two, ["children"])
        leaf.parent = two
        await session.commit()
        since("<~ node leaf, >~ node leaf")

    return work


@pattern
def adjacency_list_by_parent_alone(Base):
    class Node(Named, Base):
        __tablename__ = "node"
        parent_id: Mapped[int | None] = mapped_column(ForeignKey("node.id"))
        parent = relationship("Node", remote_side="Node.id")

    async def work(session, since):
        leaf = Node(name="leaf", parent=Node(name="root"))
        session.add(leaf)
        await session.commit()
        since("<+ node root, <+ node leaf, >+ node root, >+ node leaf")

    return work


@pattern
def rows_that_point_to_themselves(Base):
    class Node(Named, Base):
        __tablename__ = "node"
        self_id: Mapped[int | None] = mapped_column(ForeignKey("node.id"))
        itself = relationship("Node", remote_side="Node.id", post_update=True)

    async def work(session, since):
        node = Node(name="n")
        node.itself = node
        session.add(node)
        await session.commit()
        since("<+ node n, >+ node n")
        assert node.self_id == node.id

    return work


@pattern
def two_tables_that_point_to_each_other(Base):
    class Widget(Named, Base):
        __tablename__ = "widget"
        favourite_id: Mapped[int | None] = mapped_column(ForeignKey("entry.id", use_alter=True, name="fk_favourite"))
        favourite = relationship("Entry", foreign_keys=favourite_id, post_update=True)

    class Entry(Named, Base):
        __tablename__ = "entry"
        widget_id: Mapped[int | None] = mapped_column(ForeignKey("widget.id"))
        widget = relationship(Widget, foreign_keys=widget_id)

    async def work(session, since):
        widget = Widget(name="w")
        entry = Entry(name="e", widget=widget)
        widget.favourite = entry
        session.add_all([widget, entry])
        await session.commit()
        since("<+ widget w, <+ entry e, >+ widget w, >+ entry e")
        assert widget.favourite_id == entry.id

    return work


@pattern
def joined_inheritance(Base):
    class Animal(Named, Base):
        __tablename__ = "animal"
        kind: Mapped[str]
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}  # noqa: RUF012

    class Dog(Animal):
        __tablename__ = "dog"
        id: Mapped[int] = mapped_column(ForeignKey("animal.id"), primary_key=True)
        bark: Mapped[str] = mapped_column(default="woof")
        __mapper_args__ = {"polymorphic_identity": "dog"}  # noqa: RUF012

    async def work(session, since):
        dog = Dog(name="rex")
        session.add_all([Animal(name="a"), dog])
        await session.commit()
        since("<+ animal a, <+ dog rex, >+ animal a, >+ dog rex")
        assert dog.bark == "woof"
        dog.bark = "wuff"
        await session.commit()
        since("<~ dog rex, >~ dog rex")
        await session.delete(dog)
        await session.commit()
        since("<- dog rex, >- dog rex")

    return work


@pattern
def single_table_inheritance(Base):
    class Animal(Named, Base):
        __tablename__ = "animal"
        kind: Mapped[str]
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}  # noqa: RUF012

    class Cat(Animal):
        lives: Mapped[int | None] = mapped_column(default=9)
        __mapper_args__ = {"polymorphic_identity": "cat"}  # noqa: RUF012

    async def work(session, since):
        cat = Cat(name="tom")
        session.add_all([cat, Animal(name="a")])
        await session.commit()
        since("<+ cat tom, <+ animal a, >+ cat tom, >+ animal a")
        assert (cat.lives, cat.kind) == (9, "cat")

    return work


@pattern
def concrete_inheritance(Base):
    class Animal(Named, Base):
        __tablename__ = "animal"

    class Bird(Animal):
        __tablename__ = "bird"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(50))
        __mapper_args__ = {"concrete": True}  # noqa: RUF012

    async def work(session, since):
        session.add_all([Animal(name="a"), Bird(name="b")])
        await session.commit()
        since("<+ animal a, <+ bird b, >+ animal a, >+ bird b")

    return work


@pattern
def polymorphic_children(Base):
    class Company(Named, Base):
        __tablename__ = "company"
        staff = relationship("Employee", back_populates="company", cascade="all, delete-orphan")

    class Employee(Named, Base):
        __tablename__ = "employee"
        kind: Mapped[str]
        company_id: Mapped[int] = mapped_column(ForeignKey("company.id"))
        company = relationship(Company, back_populates="staff")
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "employee"}  # noqa: RUF012

    class Engineer(Employee):
        __tablename__ = "engineer"
        id: Mapped[int] = mapped_column(ForeignKey("employee.id"), primary_key=True)
        __mapper_args__ = {"polymorphic_identity": "engineer"}  # noqa: RUF012

    async def work(session, since):
        company = Company(name="c", staff=[Employee(name="e"), Engineer(name="g")])
        session.add(company)
        await session.commit()
        since("<+ company c, <+ employee e, <+ engineer g, >+ company c, >+ employee e, >+ engineer g")
        company.staff.pop()
        await session.commit()
        since("<- engineer g, >- engineer g")

    return work


@pattern
def version_counter(Base):
    class Page(Named, Base):
        __tablename__ = "page"
        version: Mapped[int] = mapped_column()
        __mapper_args__ = {"version_id_col": version}  # noqa: RUF012

    async def work(session, since):
        page = Page(name="p")
        session.add(page)
        await session.commit()
        since("<+ page p, >+ page p")
        page.name = "q"
        await session.commit()
        since("<~ page q, >~ page q")
        assert page.version == 2

    return work


@pattern
def natural_and_composite_keys(Base):
    class Tag(Base):
        __tablename__ = "tag"
        space: Mapped[str] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(primary_key=True)

    async def work(session, since):
        tag = Tag(space="s", name="n")
        session.add(tag)
        await session.commit()
        since("<+ tag n, >+ tag n")
        tag.name = "m"
        await session.commit()
        since("<~ tag m, >~ tag m")
        assert inspect(tag).identity == ("s", "m")

    return work


@pattern
def key_of_a_parent_that_changes(Base):
    class User(Base):
        __tablename__ = "user"
        name: Mapped[str] = mapped_column(primary_key=True)
        addresses = relationship("Address", passive_updates=True)

    class Address(Base):
        __tablename__ = "address"
        label: Mapped[str] = mapped_column(primary_key=True)
        user_name: Mapped[str] = mapped_column(ForeignKey("user.name", onupdate="CASCADE"))

    async def work(session, since):
        user = User(name="ada", addresses=[Address(label="x")])
        session.add(user)
        await session.commit()
        since("<+ user ada, <+ address x, >+ user ada, >+ address x")
        user.name = "eve"
        await session.commit()
        since("<~ user eve, >~ user eve")

    return work


@pattern
def merge(Base):
    class User(Named, Base):
        __tablename__ = "user"

    async def work(session, since):
        await session.merge(User(id=1, name="ada"))
        await session.commit()
        since("<+ user ada, >+ user ada")
        await session.merge(User(id=1, name="eve"))
        await session.commit()
        since("<~ user eve, >~ user eve")

    return work


@pattern
def row_is_replaced_by_one_of_the_same_key(Base):
    class User(Named, Base):
        __tablename__ = "user"

    async def work(session, since):
        old = User(id=1, name="old")
        session.add(old)
        await session.commit()
        since("<+ user old, >+ user old")
        await session.delete(old)
        session.add(User(id=1, name="new"))  # a "row switch": one UPDATE
        await session.commit()
        since("<+ user new, <- user old, >+ user new, >- user old")

    return work


@pattern
def collection_of_another_kind(Base):
    class Item(Named, Base):
        __tablename__ = "item"
        notes = relationship(
            "Note", collection_class=attribute_keyed_dict("name"), cascade="all, delete-orphan", back_populates="item"
        )

    class Note(Named, Base):
        __tablename__ = "note"
        item_id: Mapped[int] = mapped_column(ForeignKey("item.id"))
        item = relationship(Item, back_populates="notes")

    async def work(session, since):
        item = Item(name="i", notes={"a": Note(name="a"), "b": Note(name="b")})
        session.add(item)
        await session.commit()
        since("<+ item i, <+ note a, <+ note b, >+ item i, >+ note a, >+ note b")
        del item.notes["a"]
        await session.commit()
        since("<- note a, >- note a")

    return work


@pattern
def collection_that_numbers_its_rows(Base):
    class Slide(Named, Base):
        __tablename__ = "slide"
        bullets = relationship("Bullet", order_by="Bullet.position", collection_class=ordering_list("position"))

    class Bullet(Named, Base):
        __tablename__ = "bullet"
        slide_id: Mapped[int | None] = mapped_column(ForeignKey("slide.id"))
        position: Mapped[int | None]

    async def work(session, since):
        slide = Slide(name="s", bullets=[Bullet(name="a"), Bullet(name="b")])
        session.add(slide)
        await session.commit()
        since("<+ slide s, <+ bullet a, <+ bullet b, >+ slide s, >+ bullet a, >+ bullet b")
        slide.bullets.insert(0, slide.bullets.pop())
        await session.commit()
        since("<~ bullet a, <~ bullet b, >~ bullet a, >~ bullet b")

    return work


@pattern
def dataclass(Base):
    class Vertex(MappedAsDataclass, Base):
        __tablename__ = "vertex"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        name: Mapped[str]
        x: Mapped[int] = mapped_column(default=0)

    async def work(session, since):
        session.add(Vertex(name="v"))
        await session.commit()
        since("<+ vertex v, >+ vertex v")

    return work


@pattern
def deferred_column_column_property_and_validator(Base):
    class User(Named, Base):
        __tablename__ = "user"
        text: Mapped[str] = deferred(mapped_column(String(20), default="t"))
        mail: Mapped[str]

        @validates("mail")
        def lower(self, _key, value):
            return value.lower()

    User.shout = column_property(User.name + "!")

    async def work(session, since):
        session.add(User(name="ada", mail="ADA"))
        await session.commit()
        since("<+ user ada, >+ user ada")
        session.expunge_all()
        user = await session.scalar(select(User))
        assert (user.shout, user.mail) == ("ada!", "ada")
        user.mail = "EVE"
        await session.commit()
        since("<~ user ada, >~ user ada")

    return work


@pattern
def write_only_collection(Base):
    class User(Named, Base):
        __tablename__ = "user"
        posts = relationship("Post", lazy="write_only", cascade="all, delete-orphan", passive_deletes=True)

    class Post(Named, Base):
        __tablename__ = "post"
        user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))

    async def work(session, since):
        user = User(name="ada", posts=[Post(name="a")])
        session.add(user)
        await session.commit()
        since("<+ user ada, <+ post a, >+ user ada, >+ post a")
        user.posts.add(Post(name="b"))
        await session.commit()
        since("<+ post b, >+ post b")

    return work


@pattern
def autoflush(Base):
    class User(Named, Base):
        __tablename__ = "user"

    async def work(session, since):
        session.add(User(name="ada"))
        found = await session.scalar(select(User).where(User.name == "ada"))
        since("<+ user ada, >+ user ada")
        assert found.id == 1

    return work


@pattern
def statements(Base):
    Parent, Child = parent_and_child(Base)

    async def work(session, since):
        await session.execute(insert(Parent), [{"name": "a"}, {"name": "b"}])
        since("<+ parent a, <+ parent b, >+ parent a, >+ parent b")
        await session.execute(insert(Parent).values(name="c"))
        since("<+ parent c, >+ parent c")
        await session.execute(update(Parent).where(Parent.name == "a").values(name="z"))
        since("<~~ parents, >~~ parents")
        await session.execute(update(Parent), [{"id": 1, "name": "y"}, {"id": 2, "name": "x"}])
        since("<~~ parents, <~~ parents, >~~ parents, >~~ parents")
        await session.execute(delete(Parent).where(Parent.name == "x"))
        since("<- parents, >- parents")
        parents = (await session.scalars(select(Parent).options(selectinload(Parent.children)))).all()
        assert [parent.name for parent in parents] == ["y", "c"]
        session.add(Child(name="k", parent=parents[0]))
        await session.flush()
        since("<+ child k, >+ child k")
        assert await session.scalar(select(Child).where(with_parent(parents[0], Parent.children)))

    return work


@pattern
def savepoint_that_is_rolled_back(Base):
    class User(Named, Base):
        __tablename__ = "user"

    async def work(session, since):
        session.add(User(name="ada"))
        nested = await session.begin_nested()
        since("<+ user ada, >+ user ada")
        session.add(User(name="eve"))
        await session.flush()
        since("<+ user eve, >+ user eve")
        await nested.rollback()
        await session.commit()
        since("")
        assert [user.name for user in await session.scalars(select(User))] == ["ada"]

    return work


@pytest.mark.parametrize("which", PATTERNS, ids=lambda each: each.__name__)
async def test_signals_of(which: Pattern) -> None:
    await fired(which)
