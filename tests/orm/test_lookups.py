"""The bulk methods that find rows let the database say which rows meet the values that are given."""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import CHAR, Numeric, String, TypeDecorator, func
from sqlalchemy.orm import Mapped, mapped_column

import aldis

pytestmark = pytest.mark.asyncio


class Lowered(TypeDecorator[str]):
    impl = String(20)
    cache_ok = True

    def bind_expression(self, bindparam):
        return func.lower(bindparam)


async def test_rows_are_found_that_python_takes_for_others(models) -> None:
    class Coin(models.Base):
        __tablename__ = "coin"
        id: Mapped[int] = mapped_column(primary_key=True)
        code = mapped_column(CHAR(5))
        price = mapped_column(Numeric(8, 2))
        mail = mapped_column(Lowered)
        note = mapped_column(String(20))

    async with models.Base.database.engine.begin() as connection:
        await connection.run_sync(Coin.__table__.create)
    try:
        for name, values in (("code", ["ab", "cd"]), ("price", [1.5, Decimal("2.5")]), ("mail", ["Ada", "bob"])):
            rows = [{name: value, "note": str(value)} for value in values]
            first = await Coin.query.bulk_get_or_create(rows, unique_fields=[name])
            again = await Coin.query.bulk_get_or_create(rows, unique_fields=[name])
            assert [coin.id for coin in again] == [coin.id for coin in first]
            changed = await Coin.query.bulk_update_or_create(
                [{name: value, "note": "new"} for value in values], unique_fields=[name]
            )
            assert [(coin.id, coin.note) for coin in changed] == [(coin.id, "new") for coin in first]
        assert await Coin.query.count() == 6
        await Coin.query.bulk_create([Coin(mail="eve", note="1"), Coin(mail="EVE", note="2")])
        with pytest.raises(aldis.MultipleObjectsReturned, match=r"more than one Coin meets mail='(Eve|eve)'"):
            await Coin.query.bulk_get_or_create([{"mail": "Eve"}], unique_fields=["mail"])
    finally:
        async with models.Base.database.engine.begin() as connection:
            await connection.run_sync(Coin.__table__.drop)
