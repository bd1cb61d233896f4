"""``bulk_update_or_create`` in one statement sets a stored row as an UPDATE of it would, or looks first."""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import CHAR, Column, Integer, Numeric, String, Table, inspect
from sqlalchemy.orm import Mapped, mapped_column

import aldis

pytestmark = pytest.mark.asyncio


async def create(models, *tables) -> None:
    async with models.database.engine.begin() as connection:
        for each in tables:
            await connection.run_sync(each.create)


async def run(models, *statements) -> None:
    async with models.database.engine.begin() as connection:
        for each in statements:
            await connection.exec_driver_sql(each)


async def nobody(sender, **kwargs) -> None: ...


@pytest.mark.parametrize("is_heard", [False, True])
async def test_none_is_stored_as_null_in_a_row_that_is_found_and_lets_a_default_serve_in_a_new_one(
    models, is_heard
) -> None:
    class Note(models.Base):
        __tablename__ = "note"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        word: Mapped[str | None] = mapped_column(default="client")
        other: Mapped[str | None] = mapped_column(server_default="server")

    await create(models, Note.__table__)
    if is_heard:
        Note.meta.signals.post_update.connect(nobody, Note)
    for given, stored, new in [
        ({"word": None}, (None, "old"), ("client", "server")),
        ({"other": None}, ("old", None), ("client", "server")),
        ({"word": None, "other": None}, (None, None), ("client", "server")),
        ({"word": "w", "other": None}, ("w", None), ("w", "server")),
    ]:
        await Note.query.delete()
        await Note.query.create(id=1, word="old", other="old")
        notes = await Note.query.bulk_update_or_create([{"id": number, **given} for number in (1, 2)])
        assert [(each.word, each.other) for each in notes] == [stored, new]
        assert [(row["word"], row["other"]) for row in await models.stored(Note)] == [stored, new]


@pytest.mark.parametrize("is_heard", [False, True])
async def test_attributes_keep_the_values_that_were_given(models, is_heard) -> None:
    class Price(models.Base):
        __tablename__ = "price"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        amount: Mapped[Decimal | None] = mapped_column(Numeric(8, 2))
        unit: Mapped[str | None] = mapped_column(CHAR(4))
        note: Mapped[str | None] = mapped_column(String(20), server_default="new")

    await create(models, Price.__table__)
    if is_heard:
        Price.meta.signals.post_update.connect(nobody, Price)
    await Price.query.create(id=1, amount=Decimal(3), unit="kg", note="old")
    amount, unit = Decimal("1.256"), "".join(["k", "g"])
    prices = await Price.query.bulk_update_or_create([{"id": each, "amount": amount, "unit": unit} for each in (1, 2)])
    assert all(each.amount is amount and each.unit is unit for each in prices)
    assert [(each.id, each.note, inspect(each).modified) for each in prices] == [(1, "old", False), (2, "new", False)]
    assert [row["amount"] for row in await models.stored(Price)] == [Decimal("1.26")] * 2


@pytest.mark.parametrize("is_heard", [False, True])
async def test_init_makes_the_values_of_new_rows_alone(models, is_heard) -> None:
    class Label(models.Base):
        __tablename__ = "label"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        word: Mapped[str]

        def __init__(self, **values) -> None:
            super().__init__(**values)
            self.word = self.word.upper()

    await create(models, Label.__table__)
    if is_heard:
        Label.meta.signals.post_update.connect(nobody, Label)
    await Label.query.create(id=1, word="old")
    await Label.query.bulk_update_or_create([{"id": 1, "word": "found"}, {"id": 2, "word": "made"}])
    assert [row["word"] for row in await models.stored(Label)] == ["found", "MADE"]


@pytest.mark.parametrize("is_heard", [False, True])
async def test_column_that_is_not_mapped_has_its_onupdate(models, is_heard) -> None:
    table = Table(
        "parcel",
        models.Base.metadata,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("word", String(20)),
        Column("changes", String(20), onupdate="changed"),
    )

    class Parcel(models.Base):
        __table__ = table
        __mapper_args__ = {"include_properties": ["id", "word"]}  # noqa: RUF012

    await create(models, table)
    if is_heard:
        Parcel.meta.signals.post_update.connect(nobody, Parcel)
    await Parcel.query.create(id=1, word="old")
    await Parcel.query.bulk_update_or_create([{"id": number, "word": "new"} for number in (1, 2)])
    rows = await models.stored(Parcel)
    assert [(row["word"], row["changes"]) for row in rows] == [("new", "changed"), ("new", None)]


TRIGGERS = {
    "sqlite": [
        'CREATE TRIGGER inserting BEFORE INSERT ON "user" BEGIN INSERT INTO log (text) VALUES (NEW.name); END',
    ],
    "mysql": [
        (
            "CREATE TRIGGER inserting BEFORE INSERT ON `user` FOR EACH ROW BEGIN "
            "INSERT INTO log (text) VALUES (NEW.name); SET NEW.email_address = concat(NEW.email_address, '+'); END"
        )
    ],
    "postgresql": [
        (
            "CREATE OR REPLACE FUNCTION inserted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log (text) "
            "VALUES (NEW.name); NEW.email_address := NEW.email_address || '+'; RETURN NEW; END $$"
        ),
        'CREATE TRIGGER inserting BEFORE INSERT ON "user" FOR EACH ROW EXECUTE FUNCTION inserted()',
    ],
}


def database(models) -> str:
    name = models.database.engine.dialect.name
    return "mysql" if name == "mariadb" else name


@pytest.mark.parametrize("is_heard", [False, True])
async def test_trigger_before_an_insert_does_not_run_for_a_row_that_is_found(models, is_heard) -> None:
    await models.User.query.create(name="Ada", mail="old")
    await run(models, *TRIGGERS[database(models)])
    if is_heard:
        models.User.meta.signals.post_update.connect(nobody, models.User)
    await models.User.query.bulk_update_or_create(
        [{"name": "Ada", "mail": "new"}, {"name": "Bob", "mail": "b"}], unique_fields=["name"]
    )
    assert [row["text"] for row in await models.stored(models.Log)] == ["Bob"]
    mails = ["new", "b"] if database(models) == "sqlite" else ["new", "b+"]
    assert [row["email_address"] for row in await models.stored()] == mails


async def test_trigger_of_a_statement_runs_for_its_own_kind_alone(models) -> None:
    if database(models) != "postgresql":
        pytest.skip("only PostgreSQL has triggers of statements")
    await run(
        models,
        "CREATE OR REPLACE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO log (text) VALUES (TG_OP); RETURN NULL; END $$",
        'CREATE TRIGGER noting AFTER INSERT OR UPDATE ON "user" FOR EACH STATEMENT EXECUTE FUNCTION noted()',
    )
    await models.User.query.bulk_update_or_create([{"name": "Ada", "mail": "a"}], unique_fields=["name"])
    await models.User.query.bulk_update_or_create([{"name": "Ada", "mail": "b"}], unique_fields=["name"])
    assert [row["text"] for row in await models.stored(models.Log)] == ["INSERT", "UPDATE"]


async def test_rule_refuses_no_row(models) -> None:
    if database(models) != "postgresql":
        pytest.skip("only PostgreSQL has rules")
    await run(models, 'CREATE RULE noting AS ON UPDATE TO "user" DO ALSO INSERT INTO log (text) VALUES (NEW.name)')
    for mail in "ab":
        await models.User.query.bulk_update_or_create([{"name": "Ada", "mail": mail}], unique_fields=["name"])
    assert [row["text"] for row in await models.stored(models.Log)] == ["Ada"]
    await run(models, 'DROP RULE noting ON "user"')


async def test_table_whose_schema_is_translated(models) -> None:
    if database(models) != "postgresql":
        pytest.skip("its schemas are made and dropped in a database")

    class Parcel(models.Base):
        __tablename__ = "parcel"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        word: Mapped[str]
        __table_args__ = {"schema": "tenant"}  # noqa: RUF012

    await run(
        models,
        "CREATE SCHEMA IF NOT EXISTS first_tenant",
        "CREATE TABLE first_tenant.parcel (id integer PRIMARY KEY, word text)",
    )
    try:
        translated = {"schema_translate_map": {"tenant": "first_tenant"}}
        tenant = aldis.Database(models.database.engine.execution_options(**translated))
        for word in "ab":
            parcels = [{"id": number, "word": word} for number in (1, 2)]
            await Parcel.query.using(tenant).bulk_update_or_create(parcels)
        async with models.database.engine.connect() as connection:
            found = await connection.exec_driver_sql("SELECT id, word FROM first_tenant.parcel ORDER BY id")
            assert [tuple(row) for row in found] == [(1, "b"), (2, "b")]
    finally:
        await run(models, "DROP SCHEMA first_tenant CASCADE")
        models.Base.metadata.remove(Parcel.__table__)
