"""``rows=True`` and the instances of the session that runs the statement: it is left as a plain session is."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, inspect, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from told_of_rows import accounts_on, refill, stored

import aldis
from aldis.orm.saving import row_batches

WAYS = ["auto", "evaluate", "fetch", False]
"""How a session brings its instances up to date."""


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    """Let a batch be of two rows."""
    monkeypatch.setattr(row_batches, "SIZE", 2)


@pytest.fixture
async def accounts(url):
    """Return models on each driver, whose table has three rows."""
    async with accounts_on(url, is_watched=False) as found:
        rows = [{"id": number, "holder": f"u{number}", "balance": number, "note": None} for number in (1, 2, 3)]
        await refill(found, found.Account, rows)
        yield found


@pytest.fixture
def heard(accounts):
    """Return the balances that the session's receivers see, before and after."""
    found: list = []

    def before(sender, instance) -> None:
        found.append(("before", instance.id, instance.balance))

    def after(sender, instance, changes) -> None:
        found.append(("after", instance.id, instance.balance, changes["balance"].new))

    accounts.Account.meta.signals.pre_update.connect(before, accounts.Account, rows=True, weak=False)
    accounts.Account.meta.signals.post_update.connect(after, accounts.Account, rows=True, weak=False)
    return found


@pytest.mark.parametrize("way", WAYS)
async def test_expired_instance_shows_the_new_row(accounts, heard, way) -> None:
    Account = accounts.Account
    async with AsyncSession(accounts.database.engine) as session:
        ada = await session.get(Account, 1)
        await session.commit()
        for total in (6, 11):
            statement = update(Account).where(Account.id == 1).values(balance=Account.balance + 5)
            await session.execute(statement, execution_options={"synchronize_session": way})
            assert heard == [("before", 1, total - 5), ("after", 1, total, total)]
            heard.clear()
            await session.run_sync(lambda _, total=total: ada.balance == total or pytest.fail("it is stale"))
            session.expire(ada)
        await session.refresh(ada)
        ada.balance += 1
        await session.commit()
    assert (await stored(accounts, Account))[1,]["balance"] == 12


async def test_instance_that_has_shown_its_row_is_brought_up_to_date(accounts, heard) -> None:
    Account = accounts.Account
    async with AsyncSession(accounts.database.engine) as session:
        ada = await session.get(Account, 1)
        session.expire(ada)
        for _ in range(2):
            await session.execute(update(Account).where(Account.id == 1).values(balance=Account.balance + 5))
        assert ada.balance == 11


async def test_expired_attribute_alone_shows_the_new_row(accounts, heard) -> None:
    Account = accounts.Account
    async with AsyncSession(accounts.database.engine) as session:
        ada = await session.get(Account, 1)
        session.expire(ada, ["balance"])
        ada.note = "mine"
        with session.no_autoflush:
            statement = update(Account).where(Account.id == 1).values(balance=7)
            await session.execute(statement, execution_options={"synchronize_session": False})
        assert (ada.balance, ada.note) == (7, "mine")


async def test_only_a_receiver_before_leaves_it_expired(accounts) -> None:
    Account, seen = accounts.Account, []

    @Account.meta.signals.pre_update.connect_via(Account, rows=True)
    def before(sender, instance) -> None:
        seen.append(instance.balance)
        if instance.id == 2:
            raise aldis.SkipOperation

    async with AsyncSession(accounts.database.engine) as session:
        ada, bob = await session.get(Account, 1), await session.get(Account, 2)
        await session.commit()
        await session.execute(update(Account).values(balance=Account.balance + 5))
        assert seen == [1, 2, 3]
        assert "balance" not in ada.__dict__
        assert inspect(ada).expired
        assert await session.run_sync(lambda _: (ada.balance, bob.balance)) == (6, 2)


async def test_rollback_to_a_savepoint_expires_the_new_row(accounts, heard) -> None:
    Account = accounts.Account
    async with AsyncSession(accounts.database.engine) as session:
        ada = await session.get(Account, 1)
        await session.commit()
        await session.connection()
        savepoint = await session.begin_nested()
        await session.execute(update(Account).where(Account.id == 1).values(balance=50))
        assert ada.balance == 50
        await savepoint.rollback()
        assert await session.run_sync(lambda _: ada.balance) == 1


async def test_receiver_that_raises_leaves_no_new_row(accounts, heard) -> None:
    Account = accounts.Account

    @Account.meta.signals.post_update.connect_via(Account, rows=True)
    def fail(sender, instance) -> None:
        if instance.id == 3:  # of the second batch
            raise ZeroDivisionError

    async with AsyncSession(accounts.database.engine) as session:
        instances = (await session.scalars(select(Account).order_by(Account.id))).all()
        await session.commit()
        with pytest.raises(ZeroDivisionError):
            await session.execute(update(Account).values(balance=50))
        assert await session.run_sync(lambda _: [each.balance for each in instances]) == [1, 2, 3]


@pytest.mark.parametrize("way", WAYS)
async def test_deleted_instance_that_was_expired_is_told_with_its_row(accounts, way) -> None:
    Account, seen = accounts.Account, []

    def each(sender, instance) -> None:
        seen.append((instance.id, instance.holder))

    def keep(sender, instance) -> None:
        if instance.id == 2:
            raise aldis.SkipOperation

    Account.meta.signals.pre_delete.connect(keep, Account, rows=True, weak=False)
    Account.meta.signals.post_delete.connect(each, Account, rows=True, weak=False)
    async with AsyncSession(accounts.database.engine) as session:
        ada, bob = await session.get(Account, 1), await session.get(Account, 2)
        await session.commit()
        await session.execute(delete(Account), execution_options={"synchronize_session": way})
        assert seen == [(1, "u1"), (2, "u2"), (3, "u3")]
        assert await session.get(Account, 1) is None
        assert await session.get(Account, 2) is bob
        assert ada is not None
        await session.commit()


@pytest.mark.parametrize("way", WAYS)
async def test_stream_returns_the_rows(accounts, heard, way) -> None:
    Account = accounts.Account
    if accounts.dialect == "mariadb":
        pytest.skip("it returns nothing of an UPDATE")
    async with AsyncSession(accounts.database.engine) as session:
        statement = update(Account).values(balance=Account.balance + 5).returning(Account.id, Account.balance)
        result = await session.stream(statement, execution_options={"synchronize_session": way})
        assert [tuple(row) async for row in result] == [(1, 6), (2, 7), (3, 8)]
        assert [each for each in heard if each[0] == "after"] == [("after", n, n + 5, n + 5) for n in (1, 2, 3)]
        await session.commit()


async def test_stream_of_a_delete_returns_the_rows(accounts) -> None:
    Account, seen = accounts.Account, []

    @Account.meta.signals.post_delete.connect_via(Account, rows=True)
    def each(sender, instance, row_count) -> None:
        seen.append((instance.id, row_count))

    async with AsyncSession(accounts.database.engine) as session:
        result = await session.stream_scalars(delete(Account).where(Account.id > 1).returning(Account.id))
        assert await result.all() == [2, 3]
        assert seen == [(2, 1), (3, 1)]
        await session.stream(delete(Account))
        assert seen == [(2, 1), (3, 1), (1, 1)]
        await session.commit()
    assert await stored(accounts, Account) == {}


async def add_and_change(accounts, session):
    """Leave a new instance, a changed one and a deleted one pending."""
    Account = accounts.Account
    ada, eve = await session.get(Account, 1), await session.get(Account, 3)
    ada.note = "mine"
    session.add(Account(id=9, holder="u9", balance=9))
    await session.delete(eve)
    return ada, eve


def balances(rows) -> dict:
    return {key: row["balance"] for (key,), row in rows.items()}


@pytest.mark.parametrize("by", ["session", "block", "option"])
async def test_pending_changes_stay_pending_without_autoflush(accounts, heard, by) -> None:
    Account = accounts.Account
    async with AsyncSession(accounts.database.engine, autoflush=by != "session") as session:
        with session.no_autoflush:
            await add_and_change(accounts, session)
        statement = update(Account).values(balance=Account.balance + 1)
        if by == "block":
            with session.no_autoflush:
                result = await session.execute(statement)
        else:
            options = {"autoflush": False} if by == "option" else {}
            result = await session.execute(statement, execution_options=options)
        assert result.rowcount == 3
        assert [key for when, key, *_ in heard if when == "after"] == [1, 2, 3]
        assert len(session.new) == len(session.deleted) == 1
        await session.commit()
    rows = await stored(accounts, Account)
    assert (balances(rows), rows[1,]["note"]) == ({1: 2, 2: 3, 9: 9}, "mine")


async def test_autoflush_writes_pending_changes_first(accounts, heard) -> None:
    Account = accounts.Account
    async with AsyncSession(accounts.database.engine) as session:
        await add_and_change(accounts, session)
        await session.execute(update(Account).values(balance=Account.balance + 1))
        assert [key for when, key, *_ in heard if when == "after"] == [1, 2, 9]
        await session.commit()
    assert balances(await stored(accounts, Account)) == {1: 2, 2: 3, 9: 10}


async def test_receiver_that_raises_leaves_pending_changes(accounts) -> None:
    Account = accounts.Account

    @Account.meta.signals.post_update.connect_via(Account, rows=True)
    def fail(sender, instance) -> None:
        if instance.id == 3:
            raise ZeroDivisionError

    async with AsyncSession(accounts.database.engine, autoflush=False) as session:
        ada, eve = await add_and_change(accounts, session)
        with pytest.raises(ZeroDivisionError):
            await session.execute(update(Account).values(balance=Account.balance + 1, holder="x"))
        assert (ada.balance, ada.holder, ada.note, eve.balance) == (1, "u1", "mine", 3)
        assert eve in session.deleted
        assert [each.id for each in session.new] == [9]
        await session.execute(update(Account).where(Account.id == 1).values(balance=50))
        assert ada.balance == 50
        await session.commit()
    assert balances(await stored(accounts, Account)) == {1: 50, 2: 2, 9: 9}
