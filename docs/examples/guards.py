"""Receivers that log, refuse, exempt and edit: run it with ``python docs/examples/guards.py``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import aldis
from aldis import signals


class Base(aldis.Model, DeclarativeBase):
    database = aldis.Database("sqlite+aiosqlite:///:memory:")


class Account(Base):
    __tablename__ = "account"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str]
    balance: Mapped[int] = mapped_column(default=0)
    is_protected: Mapped[bool] = mapped_column(default=False)


class Change(Base):
    __tablename__ = "change"
    id: Mapped[int] = mapped_column(primary_key=True)
    what: Mapped[str]


def log_changes_of(model: type[aldis.Model]) -> None:
    """Log every change of a model, in the transaction that makes it."""

    def log(kind: str) -> Callable[..., Awaitable[None]]:
        async def receiver(sender: type[aldis.Model], row_count: int, operation_skipped: bool) -> None:
            if not operation_skipped:
                await Change.query.create(what=f"{kind} {row_count} {sender.__name__}")

        return receiver

    # Nothing else holds these functions: weak=False, or they are gone when this one returns.
    signals.post_save.connect(log("saved"), model, weak=False)
    signals.post_update.connect(log("updated"), model, weak=False)
    signals.post_delete.connect(log("deleted"), model, weak=False)


class NotEmptyError(Exception):
    """An account with money in it stays."""


@signals.pre_delete.connect_via(Account)
async def refuse_to_delete_money(sender: type[Account], model_instance: Account | None) -> None:
    """Raise to prevent one deletion, and let the caller know."""
    if model_instance is not None and model_instance.balance:
        raise NotEmptyError(f"{model_instance.owner} has {model_instance.balance}")


@signals.pre_delete.connect_via(Account)
async def exempt_the_protected(
    sender: type[Account], model_instance: Account | None, injected_filters: list[Any] | None
) -> None:
    """Narrow the deletion of many; skip that of one."""
    if injected_filters is not None:
        injected_filters += [{"is_protected": False}, Account.balance == 0]
    elif model_instance is not None and model_instance.is_protected:
        raise aldis.SkipOperation


@signals.pre_save.connect_via(Account)
async def tidy_owner(sender: type[Account], column_values: dict[str, Any]) -> None:
    """Edit the rows of a save, or of a bulk, before they are written."""
    if "owner" in column_values:
        column_values["owner"] = column_values["owner"].strip().title()


async def main() -> None:
    log_changes_of(Account)
    async with Base.database, Base.database.transaction() as connection:
        await connection.run_sync(Base.metadata.create_all)
        ada, _bob, _eve = await Account.query.bulk_create(
            [{"owner": " ada"}, {"owner": "BOB", "is_protected": True}, {"owner": "eve", "balance": 5}]
        )
        assert ada.owner == "Ada"

        await ada.update(balance=7)
        try:
            await ada.delete()
        except NotEmptyError as error:
            print("refused:", error)

        await Account.query.filter(owner="Ada").update(balance=0)
        assert await Account.query.delete() == 1
        assert [account.owner async for account in Account.query.order_by("id")] == ["Bob", "Eve"]

        changes = [row["what"] for row in await Change.query.order_by("id").values("what")]
        assert changes == ["saved 1 Account"] * 3 + ["updated 1 Account"] * 2 + ["deleted 1 Account"]
        print("\n".join(changes))


if __name__ == "__main__":
    asyncio.run(main())
