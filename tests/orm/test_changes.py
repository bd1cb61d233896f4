"""``changes``: what receivers are told of each row, compared with what the table held before and after."""

from __future__ import annotations

import pytest
from documents import documents_on
from sqlalchemy import event, select, update
from sqlalchemy.orm import load_only

import aldis
from aldis import Change


@pytest.fixture
async def documents():
    """Return models in memory."""
    async with documents_on("sqlite+aiosqlite://") as found:
        yield found


@pytest.fixture
async def documents_everywhere(url):
    """Return models on each driver."""
    async with documents_on(url) as found:
        yield found


async def rows_of(documents, model) -> dict[int, dict]:
    """Return the rows of a table by their keys, read past the models."""
    table = model.__table__
    names = {column.key: attribute.key for attribute in model.__mapper__.column_attrs for column in attribute.columns}
    async with documents.database.engine.connect() as connection:
        found = await connection.execute(select(table))
        return {row.id: {names[key]: value for key, value in row._mapping.items()} for row in found}


def difference(before: dict, after: dict) -> dict:
    """Return what two rows differ in."""
    return {name: (before[name], after[name]) for name in before if before[name] != after[name]}


def forget(telling) -> None:
    for each in vars(telling).values():
        each.clear()


NEW = {
    "known": {"title": "new"},
    "known, set to what it was": {"title": "old"},
    "from None": {"note": "new"},
    "to None": {"status": "", "note": None},
    "not loaded": {"title": "new", "status": "done"},
    "not loaded, set to what it was": {"title": "old"},
    "expired": {"title": "new", "note": "new"},
    "deferred": {"body": "new"},
    "mutable": {"extra": {"a": 1, "b": 2}},
    "mutable, given anew": {"extra": {"c": 3}},
}
"""What is set, by how the old value is known."""

READS = {"not loaded", "not loaded, set to what it was", "expired", "deferred", "mutable"}
"""Those whose old value has to be read."""


async def instance_of(documents, session, kind: str):
    """Return the stored document, in a session or in none, as the kind wants it."""
    Document = documents.Document
    only = [load_only(Document.id)] if kind.startswith("not loaded") else []
    found = (await session.scalars(select(Document).options(*only))).one()
    if kind == "expired":
        session.expire(found, ["title", "note"])
    return found


def change(document, kind: str) -> None:
    """Set what the kind sets."""
    for name, value in NEW[kind].items():
        if kind == "mutable":
            document.extra["b"] = 2
        else:
            setattr(document, name, value)


async def by_save(documents, kind) -> None:
    async with documents.database.session() as session:
        document = await instance_of(documents, session, kind)
        session.expunge(document)
    change(document, kind)
    await document.save()


async def by_update(documents, kind) -> None:
    async with documents.database.session() as session:
        document = await instance_of(documents, session, kind)
        session.expunge(document)
    if kind == "mutable":
        document.extra["b"] = 2
    await document.update(**NEW[kind])


async def by_bulk_update(documents, kind) -> None:
    async with documents.database.session() as session:
        document = await instance_of(documents, session, kind)
        session.expunge(document)
    change(document, kind)
    await documents.Document.query.bulk_update([document])


async def by_mapping(documents, kind) -> None:
    await documents.Document.query.bulk_update([{"id": 1, **NEW[kind]}])


async def by_statement(documents, kind) -> None:
    async with documents.database.session() as session:
        await session.execute(update(documents.Document), [{"id": 1, **NEW[kind]}])
        await session.commit()


async def by_update_or_create(documents, kind) -> None:
    await documents.Document.query.update_or_create(id=1, defaults=NEW[kind])


async def by_session(documents, kind) -> None:
    async with documents.database.session() as session:
        document = await instance_of(documents, session, kind)
        change(document, kind)
        await session.commit()


async def by_update_in_a_session(documents, kind) -> None:
    async with documents.database.session() as session:
        document = await instance_of(documents, session, kind)
        if kind == "mutable":
            document.extra["b"] = 2
        await document.update(**NEW[kind])
        await session.commit()


WAYS = (
    by_save,
    by_update,
    by_bulk_update,
    by_mapping,
    by_statement,
    by_update_or_create,
    by_session,
    by_update_in_a_session,
)


async def check(documents, way, kind) -> None:
    """Update a document, and compare what receivers are told with what the table held before and after."""
    stored = await rows_of(documents, documents.Document)
    async with documents.database.session() as session:
        session.info["aldis"] = False
        document = await session.get(documents.Document, 1) if stored else documents.Document(id=1)
        document.title, document.body, document.extra, document.status = "old", "old", {"a": 1}, "draft"
        document.note = "old" if kind == "to None" else None
        session.add(document)
        await session.commit()
    before = (await rows_of(documents, documents.Document))[1]
    forget(documents.told)
    documents.sql.clear()
    await way(documents, kind)
    sql, told = list(documents.sql), documents.told
    expected = difference(before, (await rows_of(documents, documents.Document))[1])
    assert expected.keys() <= NEW[kind].keys()
    if told.before == []:  # a flush tells nothing of an instance without a change
        assert expected == {}
        return
    assert told.before == told.after == told.committed == told.batches == [expected]
    assert all(type(each) is Change for each in told.before[0].values())
    if way not in (by_mapping, by_statement, by_update_or_create):
        in_session = way in (by_session, by_update_in_a_session)
        assert sql.count("SELECT") == 1 + (kind in READS), (sql, in_session)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_changes_of_an_update_are_what_the_table_tells(documents, way) -> None:
    documents.hear(documents.Document)
    for kind in NEW:
        try:
            await check(documents, way, kind)
        except AssertionError as error:
            error.add_note(kind)
            raise


async def test_changes_on_each_driver(documents_everywhere) -> None:
    documents_everywhere.hear(documents_everywhere.Document)
    for way in (by_update, by_mapping, by_session):
        for kind in ("known", "not loaded", "deferred", "mutable", "to None"):
            try:
                await check(documents_everywhere, way, kind)
            except AssertionError as error:
                error.add_note(f"{way.__name__}, {kind}")
                raise


async def test_many_rows_that_are_not_loaded_take_one_select_a_batch(documents_everywhere) -> None:
    documents = documents_everywhere
    Author, told = documents.Author, documents.told
    new = await Author.query.bulk_create([Author(name=f"a{n}") for n in range(10)])
    documents.sql.clear()
    await Author.query.bulk_update([{"id": each.id, "name": each.name} for each in new], batch_size=5)
    unheard = documents.sql.copy()  # a driver that does not count rows looks for them
    documents.hear(Author)
    documents.sql.clear()
    changes = [{"id": each.id, "name": f"a{n if n % 2 else -n}"} for n, each in enumerate(new)]
    await Author.query.bulk_update(changes, batch_size=5)
    assert sorted(documents.sql) == sorted([*unheard, "SELECT", "SELECT"])
    expected = [{} if n % 2 or n == 0 else {"name": (f"a{n}", f"a{-n}")} for n in range(10)]
    assert told.before == told.after == told.batches == told.committed == expected


@pytest.mark.parametrize("way", ["create", "save", "bulk_create", "session", "update_or_create"])
async def test_changes_of_an_insert_are_all_that_is_not_none(documents, way) -> None:
    Document, told = documents.Document, documents.told
    documents.hear(Document)
    given = {"title": "t", "body": "b", "note": None, "extra": {"a": 1}}
    if way == "create":
        await Document.query.create(**given)
    elif way == "save":
        await Document(**given).save()
    elif way == "bulk_create":
        await Document.query.bulk_create([given])
    elif way == "update_or_create":
        await Document.query.update_or_create(**given, defaults={})
    else:
        async with documents.database.session() as session:
            session.add(Document(**given))
            await session.commit()
    caller = {"title": (None, "t"), "body": (None, "b"), "extra": (None, {"a": 1})}
    assert told.before == [caller]
    assert told.after == told.committed == told.batches == [{**caller, "id": (None, 1), "status": (None, "draft")}]


async def test_what_receivers_and_the_database_change_is_told_after(documents) -> None:
    Page, told = documents.Page, documents.told
    await Page.query.create(text="a")

    def louder(sender, model_instance, column_values):
        model_instance.text += "!"
        column_values["revised"] = "by a receiver"

    Page.meta.signals.pre_update.connect(louder, Page)
    documents.hear(Page)
    page = await Page.query.get(id=1)
    await page.update(text="b")
    assert told.before == [{"text": ("a", "b")}]
    expected = {"text": ("a", "b!"), "revised": ("never", "by a receiver"), "revision": (1, 2)}
    assert told.after == told.committed == [expected]
    forget(told)
    Page.meta.signals.pre_update.disconnect(louder, Page)
    async with documents.database.session() as session:
        page = await session.get(Page, 1)
        page.text = "c"
        await session.commit()
    assert told.before == [{"text": ("b!", "c")}]
    assert told.after == [{"text": ("b!", "c"), "revised": ("by a receiver", "now"), "revision": (2, 3)}]


@pytest.mark.parametrize("held", [False, True], ids=["without a session", "in a session"])
async def test_relationship_is_told_under_its_foreign_key(documents, held) -> None:
    Author, Document, told = documents.Author, documents.Document, documents.told
    one, two = await Author.query.bulk_create([Author(), Author()])
    await Document.query.create(title="t", body="b", author_id=one.id)
    documents.hear(Document)
    if held:
        async with documents.database.session() as session:
            document = await session.get(Document, 1)
            document.author = await session.get(Author, two.id)
            await session.commit()
    else:
        document = await Document.query.get(id=1)
        document.author = two
        await document.save()
    assert told.before == told.after == [{"author_id": (one.id, two.id)}]


async def test_expression_is_its_own_new_value_before(documents) -> None:
    Document, told = documents.Document, documents.told
    document = await Document.query.create(title="t", body="b")
    documents.hear(Document)
    expression = Document.title + "!"
    await document.update(title=expression)
    assert told.before[0]["title"].old == "t"
    assert told.before[0]["title"].new is expression
    assert told.after == [{"title": ("t", "t!")}]


async def test_skipped_row_has_no_changes_after(documents) -> None:
    Document, told = documents.Document, documents.told
    first, second = await Document.query.bulk_create([Document(title=each, body="b") for each in "ab"])
    documents.hear(Document)

    @Document.meta.signals.pre_update.connect_via(Document)
    def refuse(sender, values, model_instance):
        if model_instance.title == "no":
            raise aldis.SkipOperation

    assert await second.update(title="no") is None
    assert (told.before, told.after) == ([{"title": ("b", "no")}], [{}])
    forget(told)
    first.title, second.title = "no", "yes"
    await Document.query.bulk_update([first, second])
    assert told.before == [{"title": ("a", "no")}, {"title": ("b", "yes")}]
    assert told.after == told.batches == [{}, {"title": ("b", "yes")}]


async def test_statement_over_many_rows_has_none(documents) -> None:
    Document, told = documents.Document, documents.told
    await Document.query.create(title="t", body="b")
    documents.hear(Document)
    await Document.query.update(title="u")
    async with documents.database.session() as session:
        await session.execute(update(Document).values(title="v"))
        await session.commit()
    assert told.before == told.after == [None, None]
    assert documents.sql.count("SELECT") == 0


async def test_batched_receiver_whose_code_does_not_say_changes_is_told_so(documents) -> None:
    Document = documents.Document
    name = "".join(["chan", "ges"])

    def ask(sender, batch):
        assert name not in batch.names
        with pytest.raises(KeyError, match="its own code says 'changes'"):
            batch.column(name)

    Document.meta.signals.post_save.connect(ask, Document, batched=True)
    await Document.query.create(title="t", body="b")
    await Document.query.bulk_create([Document(title="t", body="b")])


async def test_nobody_asks_and_nothing_is_read_or_made(documents, monkeypatch) -> None:
    Document = documents.Document
    await Document.query.create(title="t", body="b")
    heard, unheard = [], documents.sql
    unheard.clear()
    await Document.query.bulk_update([{"id": 1, "title": "u"}])
    unheard = unheard.copy()
    Document.meta.signals.post_update.connect(lambda sender, **told: heard.append(told), Document, weak=False)
    monkeypatch.setattr("aldis.orm.saving.changes.Changes.__init__", None)
    documents.sql.clear()
    await Document.query.bulk_update([{"id": 1, "title": "v"}])
    assert documents.sql == unheard
    assert "changes" not in heard[0]


async def test_many_rows_alike_are_told_as_the_table_tells(documents) -> None:
    Document, told = documents.Document, documents.told
    new = [Document(title=f"t{n}", body="b", note=str(n), status="draft") for n in range(20)]
    await Document.query.bulk_create(new)
    documents.hear(Document)

    @Document.meta.signals.pre_update.connect_via(Document)
    def meddle(sender, model_instance, column_values):
        match model_instance.id:
            case 2:
                raise aldis.SkipOperation
            case 3:
                model_instance.status = "done"
            case 4:
                column_values["heading"] = "louder"
            case 5:
                del column_values["note"]
            case 6:
                column_values["note"] = "5"  # what it was

    for rows in (new, new[:9], new[9:]):
        forget(told)
        before = await rows_of(documents, Document)
        for each in rows:
            each.title, each.note = f"{each.title}!", None if each.id == 7 else f"{each.note}?"
        asked = [
            {"title": (before[each.id]["title"], each.title), "note": (before[each.id]["note"], each.note)}
            for each in rows
        ]
        asked = [{name: pair for name, pair in each.items() if pair[0] != pair[1]} for each in asked]
        await Document.query.bulk_update(rows)
        after = await rows_of(documents, Document)
        assert told.before == asked
        expected = [difference(before[each.id], after[each.id]) for each in rows]
        assert [number for number, each in enumerate(expected) if not each] == ([] if rows[0].id > 2 else [1])
        assert told.after == told.batches == told.committed == expected


async def test_old_values_are_read_with_the_lock_of_the_update(documents_everywhere) -> None:
    Author, engine = documents_everywhere.Author, documents_everywhere.database.engine
    author = await Author.query.create(name="a")
    documents_everywhere.hear(Author)
    selects = []

    def note(connection, cursor, statement, *_):
        if statement.startswith("SELECT author"):
            selects.append(" ".join(statement.split()))

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    await Author.query.bulk_update([{"id": author.id, "name": "b"}])
    lock = {"sqlite": ")", "postgresql": ") FOR NO KEY UPDATE"}.get(engine.dialect.name, ") FOR UPDATE")
    assert selects[0].endswith(lock)
