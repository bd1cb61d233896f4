"""A lending library with FastAPI and SQLAlchemy's own sessions: an application as it was before it had signals.

Run it with ``uvicorn app:app``, in this directory.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import receivers  # noqa: F401 - the import connects them
from fastapi import Depends, FastAPI, HTTPException, Request
from models import Base, Book, Entry, Loan, Member
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import selectinload


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the database."""
    engine = create_async_engine(app.state.url)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    app.state.sessions = async_sessionmaker(engine, expire_on_commit=False)
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)
app.state.url = "sqlite+aiosqlite:///library.db"


async def a_session(request: Request) -> AsyncIterator[AsyncSession]:
    """One session, and one transaction, a request."""
    async with request.app.state.sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(a_session)]


@app.post("/books")
async def add_book(session: Session, title: str, copies: int = 1) -> dict[str, int]:
    """Buy a book."""
    book = Book(title=title, copies=copies)
    session.add(book)
    await session.commit()
    return {"id": book.id}


@app.post("/members")
async def add_member(session: Session, name: str) -> dict[str, int]:
    """Let somebody join."""
    member = Member(name=name)
    session.add(member)
    try:
        await session.commit()
    except IntegrityError as error:
        raise HTTPException(409, f"{name} is a member already") from error
    return {"id": member.id}


@app.post("/loans")
async def lend(session: Session, book_id: int, member_id: int) -> dict[str, int]:
    """Lend a book."""
    book, member = await session.get(Book, book_id), await session.get(Member, member_id)
    if book is None or member is None:
        raise HTTPException(404)
    loan, title = Loan(book=book, member=member), book.title
    session.add(loan)
    try:
        await session.commit()
    except IntegrityError as error:
        raise HTTPException(409, f"no copy of {title} is left") from error
    return {"id": loan.id}


@app.delete("/members/{member_id}")
async def leave(session: Session, member_id: int) -> None:
    """Let somebody leave; their books are given back."""
    both = selectinload(Member.loans).selectinload(Loan.book)
    member = await session.get(Member, member_id, options=[both])
    if member is None:
        raise HTTPException(404)
    await session.delete(member)
    await session.commit()


@app.get("/books/{book_id}")
async def show(session: Session, book_id: int) -> dict[str, str | int]:
    """Show a book."""
    book = await session.get(Book, book_id)
    if book is None:
        raise HTTPException(404)
    return {"title": book.title, "copies": book.copies}


@app.get("/log")
async def show_log(session: Session) -> list[str]:
    """Show the audit log."""
    return list(await session.scalars(select(Entry.text).order_by(Entry.id)))
