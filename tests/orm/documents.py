"""Documents, whose receivers write down the ``changes`` that they are told.

In a module of a name of its own: SQLAlchemy looks annotations up by it.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from types import SimpleNamespace

from sqlalchemy import JSON, ForeignKey, Integer, String, event
from sqlalchemy.ext.mutable import MutableDict
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

import aldis
from aldis.signals import LIFECYCLE

DICT_AS_JSON = MutableDict.as_mutable(JSON)
"""Made once: each call gives every mapper of the process a listener more, for good."""


@asynccontextmanager
async def documents_on(url):
    """Make models whose tables exist, with receivers that write down what they are told."""

    class Base(aldis.Model, DeclarativeBase):
        database = aldis.Database(url)
        type_annotation_map = {str: String(50), dict: DICT_AS_JSON}  # noqa: RUF012

    for signal in LIFECYCLE:
        setattr(Base.meta.signals, signal.name, aldis.NamedSignal(signal.name))

    class Author(Base):
        __tablename__ = "author"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str | None]

    class Document(Base):
        __tablename__ = "document"
        id: Mapped[int] = mapped_column(primary_key=True)
        title: Mapped[str] = mapped_column("heading")
        note: Mapped[str | None]
        body: Mapped[str] = mapped_column(deferred=True)
        extra: Mapped[dict | None]
        status: Mapped[str] = mapped_column(default="draft")
        author_id: Mapped[int | None] = mapped_column(ForeignKey("author.id"))
        author = relationship("Author")

    class Page(Base):
        __tablename__ = "page"
        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str]
        revision = mapped_column(Integer, nullable=False)
        revised: Mapped[str] = mapped_column(default="never", onupdate="now")
        __mapper_args__ = {"version_id_col": revision}  # noqa: RUF012

    told = SimpleNamespace(before=[], after=[], committed=[], batches=[])
    statements = []

    def hear(model, rows=False):
        for kind in ("save", "update"):
            options = {"weak": False, "rows": rows and kind == "update"}
            before, after = Base.meta.signals[f"pre_{kind}"], Base.meta.signals[f"post_{kind}"]
            before.connect(lambda sender, changes: told.before.append(changes), model, **options)
            after.connect(lambda sender, changes: told.after.append(changes), model, **options)
            after.connect(lambda sender, changes: told.committed.append(changes), model, after_commit=True, **options)
            after.connect(
                lambda sender, batch: told.batches.extend(batch.column("changes")), model, batched=True, **options
            )

    def note(connection, cursor, statement, *_):
        if any(each in statement for each in ("author", "document", "page")):
            statements.append(statement.split()[0])

    async with Base.database as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        event.listen(database.engine.sync_engine, "before_cursor_execute", note)
        try:
            yield SimpleNamespace(
                database=database, Author=Author, Document=Document, Page=Page, told=told, hear=hear, sql=statements
            )
        finally:
            async with database.engine.begin() as connection:
                await connection.run_sync(Base.metadata.drop_all)
