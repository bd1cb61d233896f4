"""The library's receivers. The rest of the application does not know about them."""

from __future__ import annotations

from typing import Any

from models import Book, Entry, Loan, Member
from sqlalchemy.ext.asyncio import async_object_session

import aldis
from aldis.signals import post_delete, post_save, pre_save

mailed: list[str] = []
"""The mails that were sent."""


@pre_save.connect_via(Loan)
async def take_a_copy(sender: type[Loan], instance: Loan, is_update: bool, **kwargs: Any) -> None:
    """Count the copy out, in the transaction of the loan.

    The database counts, not Python: two requests at once would both read the same number and both write it, less one.
    """
    if not is_update:
        instance.book.copies = Book.copies - 1


@post_delete.connect_via(Loan)
async def give_it_back(sender: type[Loan], instance: Loan, **kwargs: Any) -> None:
    """Count the copy in again, in the same transaction."""
    instance.book.copies = Book.copies + 1


@post_save.connect_via(Book)
@post_save.connect_via(Loan)
async def log(sender: type[Any], instance: Any, is_update: bool, **kwargs: Any) -> None:
    """Write the audit log, in the session that has written the row."""
    session = async_object_session(instance)
    assert session is not None
    what = "changed" if is_update else "new"
    session.add(Entry(text=f"{what}: {sender.__name__} {instance.id}"))


@post_save.connect_via(Member, after_commit=True, when=aldis.created)
async def welcome(sender: type[Member], instance: Member, **kwargs: Any) -> None:
    """Send a mail, once the member is stored for good."""
    mailed.append(f"Welcome, {instance.name}!")
