"""The library's books and members. ``aldis.Model`` on the base class is all that the signals need."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

import aldis


class Base(aldis.Model, DeclarativeBase):
    """The base of all models."""


class Member(Base):
    """Somebody who borrows books."""

    __tablename__ = "member"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    loans: Mapped[list[Loan]] = relationship(back_populates="member", cascade="all, delete-orphan")


class Book(Base):
    """A book. The database itself refuses to lend a copy that is not there."""

    __tablename__ = "book"
    __table_args__ = (CheckConstraint("copies >= 0", name="copies_left"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    copies: Mapped[int] = mapped_column(default=1)


class Loan(Base):
    """A book that somebody has."""

    __tablename__ = "loan"
    id: Mapped[int] = mapped_column(primary_key=True)
    book_id: Mapped[int] = mapped_column(ForeignKey("book.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    book: Mapped[Book] = relationship()
    member: Mapped[Member] = relationship(back_populates="loans")


class Entry(Base):
    """A line of the audit log."""

    __tablename__ = "entry"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
