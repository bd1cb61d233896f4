"""The shop's tests: ``pytest test_shop.py``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from shop import Base, Lamp, Order, SoldOutError

import aldis
from aldis.signals import post_save
from aldis.testing import Signals


@pytest.fixture
async def lamp(tmp_path: Path) -> AsyncIterator[Lamp]:
    """One lamp, in a database of the test's own."""
    Base.database = aldis.Database(f"sqlite+aiosqlite:///{tmp_path}/shop.db")
    async with Base.database:
        async with Base.database.transaction() as connection:
            await connection.run_sync(Base.metadata.create_all)
        yield await Lamp.query.create(name="Aldis", stock=1)


async def test_order_takes_from_stock(lamp: Lamp, signals: Signals) -> None:
    await Order.query.create(lamp_id=lamp.id, customer="ada@example.org")
    assert (await lamp.load()).stock == 0
    signals.assert_fired(post_save, Order, is_update=False, times=1)


async def test_late_customer_gets_no_mail(lamp: Lamp, capsys: pytest.CaptureFixture[str]) -> None:
    await lamp.update(stock=0)
    with pytest.raises(SoldOutError):
        await Order.query.create(lamp_id=lamp.id, customer="bob@example.org")
    assert await Order.query.count() == 0
    assert capsys.readouterr().out == ""


async def test_ten_customers_at_once_get_one_lamp(lamp: Lamp, capsys: pytest.CaptureFixture[str]) -> None:
    orders = [Order.query.create(lamp_id=lamp.id, customer=f"customer {number}") for number in range(10)]
    answers = await asyncio.gather(*orders, return_exceptions=True)
    assert sum(isinstance(answer, Order) for answer in answers) == 1
    assert sum(isinstance(answer, SoldOutError) for answer in answers) == 9
    assert (await Order.query.count(), (await lamp.load()).stock) == (1, 0)
    assert capsys.readouterr().out.count("mail to") == 1


async def test_orders_stay(lamp: Lamp, signals: Signals) -> None:
    with signals.muted("thank"):
        order = await Order.query.create(lamp_id=lamp.id, customer="ada@example.org")
    assert await order.delete() == 0
