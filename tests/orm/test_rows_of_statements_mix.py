"""Any statements over many rows, told of row by row, against what the tables' own triggers have seen."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, update
from told_of_rows import Told, accounts_on, kept, refill, stored

from aldis.orm.saving import row_batches

CONDITIONS = {
    "all": lambda model: [],
    "rich": lambda model: [model.balance > 4],
    "Ada's": lambda model: [model.holder == "Ada"],
    "without a note": lambda model: [model.note.is_(None), model.balance != 3],
    "richer than the average": lambda model: [model.balance >= select(func.avg(model.balance)).scalar_subquery()],
    "nobody's": lambda model: [model.holder == "nobody"],
}
VALUES = {
    "a name": lambda model: {"holder": "Eve"},
    "the name that many have": lambda model: {"holder": "Ada"},
    "a note, and more": lambda model: {"note": "checked", "balance": model.balance + 3},
    "no note": lambda model: {"note": None},
    "less": lambda model: {"balance": model.balance - 4},
    "one for all": lambda model: {"balance": 5},
}

STATEMENTS = st.lists(
    st.tuples(
        st.sampled_from(["queryset", "session", "session without synchronization"]),
        st.sampled_from(sorted(CONDITIONS)),
        st.sampled_from([None, *sorted(VALUES)]),
    ),
    min_size=1,
    max_size=3,
)
ROWS = st.lists(
    st.tuples(st.sampled_from(["Ada", "Bob"]), st.integers(0, 9), st.sampled_from([None, "old"])),
    min_size=1,
    max_size=9,
)


async def run(accounts, model, road: str, where, values) -> int:
    """Run a statement; return how many rows it says that it has written."""
    if road == "queryset":
        query = model.query.filter(*where)
        return await (query.delete() if values is None else query.update(**values))
    statement = delete(model) if values is None else update(model).values(values)
    options = {"synchronize_session": False} if "without" in road else {}
    async with accounts.database.session() as session:
        known = (await session.scalars(select(model))).all()[:2]
        result = await session.execute(statement.where(*where), execution_options=options)
        assert known is not None
        await session.commit()
        return result.rowcount


async def check(accounts, name: str, rows, statements, skipped: int) -> None:
    """Run statements on rows, and compare what receivers are told with what the triggers have kept."""
    model = {"account": accounts.Account, "place": accounts.Place}[name]
    keys = [
        {"id": number} if name == "account" else {"area": "ab"[number % 2], "number": number} for number in range(1, 10)
    ]
    values = [{"holder": holder, "balance": balance, "note": note} for holder, balance, note in rows]
    await refill(accounts, model, [key | row for key, row in zip(keys, values, strict=False)])
    for road, condition, what in statements:
        where = CONDITIONS[condition](model)
        new = None if what is None else VALUES[what](model)
        before = await stored(accounts, model)
        async with accounts.database.engine.connect() as connection:
            columns = list(model.__table__.primary_key)
            found = await connection.execute(select(*columns).where(*where).order_by(*columns))
            expected = [tuple(row) for row in found]
        told = Told(model, skips=[key for number, key in enumerate(expected) if number == skipped])
        try:
            count = await run(accounts, model, road, where, new)
        finally:
            for signal in ("pre_update", "post_update", "pre_delete", "post_delete"):
                model.meta.signals[signal]._clear_state()
        seen = await kept(accounts, model)
        assert [each[0] for each in told.before] == expected, "each row once, in the order of the keys"
        assert [each[0] for each in told.after] == expected
        assert seen.keys() == set(expected) - told.skips
        assert count == len(seen)
        synchronized = "without" not in road
        for key, old, *changes in told.before:
            if synchronized or key in seen:
                assert old == before[key]
            if key in seen and changes:
                assert {name: each.old for name, each in changes[0].items()}.items() <= before[key].items()
        for key, now, changes, row_count, is_skipped in told.after:
            assert is_skipped == (key in told.skips)
            assert row_count == (0 if is_skipped else 1)
            if what is None:
                continue
            if is_skipped:
                assert changes == {}
                continue
            old, new_row = seen[key]
            assert old == before[key]
            assert changes == {name: (old[name], new_row[name]) for name in old if old[name] != new_row[name]}
            if synchronized:
                assert now == new_row


@pytest.mark.parametrize("name", ["account", "place"])
def test_each_row_is_told_as_the_triggers_have_seen_it(url, name, monkeypatch) -> None:
    monkeypatch.setattr(row_batches, "SIZE", 3)
    with asyncio.Runner() as runner:
        opened = accounts_on(url, is_watched=False)
        accounts = runner.run(opened.__aenter__())
        try:

            @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
            @given(ROWS, STATEMENTS, st.integers(0, 9))
            def examples(rows, statements, skipped) -> None:
                runner.run(check(accounts, name, rows, statements, skipped))

            examples()
        finally:
            runner.run(opened.__aexit__(None, None, None))
