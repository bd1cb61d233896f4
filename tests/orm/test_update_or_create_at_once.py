"""``update_or_create`` of one new key by many tasks at once: one row, and no error."""

from __future__ import annotations

import asyncio


async def test_many_tasks_update_or_create_one_new_key(models) -> None:
    found = await asyncio.gather(
        *(models.User.query.update_or_create({"mail": f"{number}@example.org"}, name="Ada") for number in range(8))
    )
    assert sorted(created for _, created in found) == [False] * 7 + [True]
    (row,) = await models.stored()
    assert row["email_address"] in {f"{number}@example.org" for number in range(8)}
