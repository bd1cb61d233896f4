"""Models that are linked many-to-many, whose tables and signals are a test's own; see ``users.py``."""

from __future__ import annotations

from contextlib import asynccontextmanager
from types import SimpleNamespace

from sqlalchemy import Column, ForeignKey, ForeignKeyConstraint, Integer, String, Table
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

import aldis
from aldis.signals import LIFECYCLE

NAMES = ("pre_relation_add", "post_relation_add", "pre_relation_remove", "post_relation_remove")


def models(url=None, plain=False):
    """Make the models.

    Args:
        url: The database, if they have one.
        plain: Without the mixin.
    """
    bases = (DeclarativeBase,) if plain else (aldis.Model, DeclarativeBase)

    class Base(*bases):
        type_annotation_map = {str: String(50)}  # noqa: RUF012

    if url is not None:
        Base.database = aldis.Database(url)
    if not plain:
        for signal in LIFECYCLE:
            setattr(Base.meta.signals, signal.name, aldis.NamedSignal(signal.name))

    post_tag = Table(
        "post_tag",
        Base.metadata,
        Column("post_id", ForeignKey("linked_post.id"), primary_key=True),
        Column("space", String(50), primary_key=True),
        Column("word", String(50), primary_key=True),
        Column("weight", Integer, default=7, nullable=False),
        Column("origin", String(50), server_default="somebody", nullable=False),
        ForeignKeyConstraint(["space", "word"], ["linked_tag.space", "linked_tag.word"]),
    )
    person_friend = Table(
        "person_friend",
        Base.metadata,
        Column("person_id", ForeignKey("linked_person.id"), primary_key=True),
        Column("friend_id", ForeignKey("linked_person.id"), primary_key=True),
    )
    person_read = Table(
        "person_read",
        Base.metadata,
        Column("person_id", ForeignKey("linked_person.id"), primary_key=True),
        Column("post_id", ForeignKey("linked_post.id"), primary_key=True),
    )
    person_liked = Table(
        "person_liked",
        Base.metadata,
        Column("person_id", ForeignKey("linked_person.id", ondelete="CASCADE"), primary_key=True),
        Column("post_id", ForeignKey("linked_post.id", ondelete="CASCADE"), primary_key=True),
    )

    class Post(Base):
        __tablename__ = "linked_post"
        id: Mapped[int] = mapped_column(primary_key=True)
        title: Mapped[str] = mapped_column(default="")
        author_id: Mapped[int | None] = mapped_column(ForeignKey("linked_person.id"))
        tags = relationship("Tag", secondary=post_tag, back_populates="posts")
        seen_tags = relationship("Tag", secondary=post_tag, viewonly=True)
        author = relationship("Person", back_populates="posts")

    class Tag(Base):
        __tablename__ = "linked_tag"
        space: Mapped[str] = mapped_column(primary_key=True)
        word: Mapped[str] = mapped_column(primary_key=True)
        posts = relationship("Post", collection_class=set, secondary=post_tag, back_populates="tags")

    class Person(Base):
        __tablename__ = "linked_person"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(default="")
        posts = relationship("Post", back_populates="author")
        friends = relationship(
            "Person",
            secondary=person_friend,
            primaryjoin=lambda: Person.id == person_friend.c.person_id,
            secondaryjoin=lambda: Person.id == person_friend.c.friend_id,
            back_populates="friend_of",
            order_by=lambda: Person.name,
        )
        friend_of = relationship(
            "Person",
            secondary=person_friend,
            primaryjoin=lambda: Person.id == person_friend.c.friend_id,
            secondaryjoin=lambda: Person.id == person_friend.c.person_id,
            back_populates="friends",
        )
        read = relationship("Post", lazy="dynamic", secondary=person_read)
        liked = relationship("Post", lazy="write_only", secondary=person_liked, passive_deletes=True)

    Base.registry.configure()
    return SimpleNamespace(
        Base=Base,
        Post=Post,
        Tag=Tag,
        Person=Person,
        post_tag=post_tag,
        friends=person_friend,
        read=person_read,
        liked=person_liked,
    )


def recorded(models, *, in_words=False):
    """Connect receivers of the relations' signals, and return the list of what they are told.

    Args:
        models: The models.
        in_words: Related instances by their word or number, and no other instances: they may expire.
    """
    told = []

    def connect(name, model):
        signal = aldis.signals.__dict__[name] if not hasattr(model, "meta") else model.meta.signals[name]

        def receiver(sender, instance, relation, related, secondary, row_count="-", operation_skipped="-"):
            if in_words:
                words = [each.word if isinstance(each, models.Tag) else each.id for each in related]
                told.append((name, sender.__name__, relation, words, row_count))
            else:
                told.append((name, sender.__name__, instance, relation, related, secondary.name, row_count))

        signal.connect(receiver, model, weak=False)

    for name in NAMES:
        for model in (models.Post, models.Tag, models.Person):
            connect(name, model)
    return told


MADE = set()
"""The databases that have the tables: to make them takes longer than a test."""


@asynccontextmanager
async def linked_on(url):
    """Make models whose tables exist, and are empty."""
    found = models(url)
    database = found.Base.database
    async with database.engine.begin() as connection:
        if url not in MADE:
            await connection.run_sync(found.Base.metadata.create_all)
            MADE.add(url)
        for table in reversed(found.Base.metadata.sorted_tables):
            await connection.execute(table.delete())

    async def rows(table):
        async with database.engine.connect() as connection:
            return sorted(map(tuple, (await connection.execute(table.select())).all()))

    found.database, found.rows = database, rows
    yield found
    await database.dispose()
