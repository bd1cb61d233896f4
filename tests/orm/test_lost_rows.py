"""``rows=True`` and keys by which the database does not find a row again: nothing is left out silently."""

from __future__ import annotations

import pytest
from sqlalchemy import (
    Column,
    Double,
    Float,
    Integer,
    String,
    Table,
    TypeDecorator,
    delete,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.orm import DeclarativeBase

import aldis
from aldis.orm.saving import row_batches

ROADS = ["queryset", "session"]


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    """Let a batch be of two rows."""
    monkeypatch.setattr(row_batches, "SIZE", 2)


@pytest.fixture
async def base(url):
    """Return a base whose tables are dropped in the end."""

    class Base(aldis.Model, DeclarativeBase):
        database = aldis.Database(url)

    async with Base.database:
        yield Base
        async with Base.database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.drop_all)


async def kept(base, columns, rows):
    """Return a model whose table has these rows, and what its receivers hear: the row count of each row."""
    table = Table("kept", base.metadata, *columns, Column("n", Integer, nullable=False))
    key = [each for each in table.columns if each.key != "n"]
    model = type("Kept", (base,), {"__table__": table, "__mapper_args__": {"primary_key": key}})
    async with base.database.engine.begin() as connection:
        await connection.run_sync(base.metadata.create_all)
        await connection.execute(insert(table), rows)
    heard = []

    def each(sender, instance, row_count, operation_skipped) -> None:
        heard.append((row_count, operation_skipped))

    for signal in (aldis.signals.post_update, aldis.signals.post_delete):
        signal.connect(each, model, rows=True, weak=False)
    return model, heard


async def run(base, model, kind: str, road: str) -> int:
    """Update or delete all rows."""
    if road == "queryset":
        return await (model.query.update(n=5) if kind == "update" else model.query.delete())
    async with base.database.session() as session:
        statement = update(model).values(n=5) if kind == "update" else delete(model)
        count = (await session.execute(statement)).rowcount
        await session.commit()
        return count


async def numbers(base, model) -> list[int]:
    async with base.database.engine.connect() as connection:
        return sorted(await connection.scalars(select(model.__table__.c.n)))


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("kind", ["update", "delete"])
async def test_float_key_is_told_or_refused(base, kind, road) -> None:
    model, heard = await kept(
        base, [Column("id", Float, primary_key=True, autoincrement=False)], [{"id": 0.1, "n": 1}, {"id": 0.5, "n": 2}]
    )
    if base.database.engine.dialect.name in {"mysql", "mariadb"}:
        with pytest.raises(
            aldis.RefusedError, match=r"cannot be told of each row .* finds its rows by kept\.id, a FLOAT"
        ):
            await run(base, model, kind, road)
        assert (heard, await numbers(base, model)) == ([], [1, 2])
        return
    assert await run(base, model, kind, road) == 2
    assert heard == [(1, False)] * 2
    assert await numbers(base, model) == ([5, 5] if kind == "update" else [])


@pytest.mark.parametrize("road", ROADS)
async def test_double_key_is_told(base, road) -> None:
    values = [0.1, 1 / 3, 2e-9, 1e22]
    rows = [{"id": each, "n": 1} for each in values]
    model, heard = await kept(base, [Column("id", Double, primary_key=True, autoincrement=False)], rows)
    assert await run(base, model, "update", road) == 4
    assert await run(base, model, "delete", road) == 4
    assert heard == [(1, False)] * 8


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("kind", ["update", "delete"])
async def test_null_in_a_key_is_refused_before_anything_is_written(base, kind, road) -> None:
    rows = [{"a": 1, "b": number, "n": 1} for number in (2, 3, 4, None)]
    model, heard = await kept(base, [Column("a", Integer), Column("b", Integer)], rows)
    with pytest.raises(aldis.RefusedError, match=r"a row whose key is NULL in part \(a=1, b=None\)"):
        await run(base, model, kind, road)
    assert (heard, await numbers(base, model)) == ([], [1, 1, 1, 1])
    async with base.database.engine.begin() as connection:
        await connection.execute(delete(model.__table__).where(model.__table__.c.b.is_(None)))
    assert await run(base, model, kind, road) == 3
    assert heard == [(1, False)] * 3


class Worded(TypeDecorator):
    """A text that is read with a mark, and not written so."""

    impl = String(20)
    cache_ok = True

    def process_result_value(self, value, dialect):
        return value if value.endswith("plain") else f"{value}!"


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("kind", ["update", "delete"])
async def test_key_that_does_not_find_its_row_is_an_error(base, kind, road) -> None:
    rows = [{"id": "plain", "n": 1}, {"id": "marked", "n": 2}]
    model, _ = await kept(base, [Column("id", Worded, primary_key=True)], rows)
    with pytest.raises(aldis.RowMismatchError, match=r"finds 1 of its rows by the conditions, .* \(id='marked!'\)"):
        await run(base, model, kind, road)
    assert await numbers(base, model) == [1, 2]


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("kind", ["update", "delete"])
async def test_unfound_row_undoes_the_batches_before(base, kind, road, monkeypatch) -> None:
    monkeypatch.setattr(row_batches, "IN_ORDER", (*row_batches.IN_ORDER, Worded))
    rows = [{"id": each, "n": number} for number, each in enumerate(["a plain", "b plain", "c plain", "marked"])]
    model, heard = await kept(base, [Column("id", Worded, primary_key=True)], rows)
    with pytest.raises(aldis.RowMismatchError, match=r"\(id='marked!'\)"):
        await run(base, model, kind, road)
    assert heard == [(1, False)] * 2, "of the batch before"
    assert await numbers(base, model) == [0, 1, 2, 3]


@pytest.mark.parametrize("road", ROADS)
async def test_row_that_a_receiver_deletes_is_told_as_not_written(base, road) -> None:
    model, heard = await kept(base, [Column("id", Integer, primary_key=True)], [{"id": 1, "n": 1}, {"id": 2, "n": 2}])

    async def gone(sender, instance) -> None:
        if instance.id == 1:
            with aldis.signals_disabled():
                await model.query.filter(id=2).delete()

    aldis.signals.pre_update.connect(gone, model, rows=True, weak=False)
    assert await run(base, model, "update", road) == 1
    assert heard == [(1, False), (0, False)]


async def test_row_that_a_trigger_passes_over_is_told_as_not_written(base) -> None:
    if base.database.engine.dialect.name != "postgresql":
        pytest.skip("of PostgreSQL's triggers")
    model, heard = await kept(base, [Column("id", Integer, primary_key=True)], [{"id": 1, "n": 1}, {"id": 2, "n": 2}])
    body = "BEGIN IF OLD.id = 2 THEN RETURN NULL; END IF; RETURN NEW; END"
    async with base.database.engine.begin() as connection:
        await connection.execute(text(f"CREATE FUNCTION pass_over() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"))
        await connection.execute(
            text("CREATE TRIGGER pass_over BEFORE UPDATE ON kept FOR EACH ROW EXECUTE FUNCTION pass_over()")
        )
    try:
        assert await run(base, model, "update", "queryset") == 1
        assert heard == [(1, False), (0, False)]
    finally:
        async with base.database.engine.begin() as connection:
            await connection.execute(text("DROP FUNCTION pass_over() CASCADE"))
