"""``changes``: what receivers are told of each row, compared with what the table held before and after."""

from __future__ import annotations

import pytest
from documents import documents_on
from sqlalchemy import delete, event, select, update
from sqlalchemy.orm import load_only, undefer

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
    """Return the columns in which two rows differ."""
    return {name: (before[name], after[name]) for name in before if before[name] != after[name]}


def forget(telling) -> None:
    for each in vars(telling).values():
        each.clear()


NEW = {
    "known": {"title": "new"},
    "known, set to what it was": {"title": "old"},
    "from None": {"note": "new"},
    "None, set to None": {"note": None},
    "to None": {"status": "", "note": None},
    "not loaded": {"title": "new", "status": "done"},
    "not loaded, set to what it was": {"title": "old"},
    "expired": {"title": "new", "note": "new"},
    "expired, set to what it was": {"title": "old", "note": None},
    "expired altogether": {"title": "new", "status": "done"},
    "deferred": {"body": "new"},
    "deferred, set to what it was": {"body": "old"},
    "deferred, and loaded": {"body": "new"},
    "mutable": {"extra": {"a": 1, "b": 2}},
    "mutable, given anew": {"extra": {"c": 3}},
    "mutable, expired": {"extra": {"c": 3}},
    "mutable, to None": {"extra": None},
    "known and deferred": {"title": "new", "body": "new"},
}
"""The attributes that are set, by the source of the old value."""

READS = {
    "not loaded",
    "not loaded, set to what it was",
    "expired",
    "expired, set to what it was",
    "expired altogether",
    "deferred",
    "deferred, set to what it was",
    "mutable",
    "mutable, expired",
    "known and deferred",
}
"""Those whose old value has to be read."""

MANY = 10
"""So many rows, all alike, are compared by columns."""


async def instances_of(documents, session, kind: str):
    """Return the stored documents, in a session or in none, as the kind wants them."""
    Document = documents.Document
    only = [load_only(Document.id)] if kind.startswith("not loaded") else []
    if kind == "deferred, and loaded":
        only = [undefer(Document.body)]
    found = (await session.scalars(select(Document).options(*only).order_by(Document.id))).all()
    names = {"expired": ["title", "note"], "expired, set to what it was": ["title", "note"], "expired altogether": None}
    names["mutable, expired"] = ["extra"]
    for each in found if kind in names else ():
        session.expire(each, names[kind])
    return found


async def detached(documents, kind: str):
    """Return the stored documents in no session."""
    async with documents.database.session() as session:
        found = await instances_of(documents, session, kind)
        session.expunge_all()
    return found


def change(document, kind: str) -> None:
    """Set the attributes of the kind."""
    for name, value in NEW[kind].items():
        if kind == "mutable":
            document.extra["b"] = 2
        else:
            setattr(document, name, value)


async def by_save(documents, kind) -> None:
    for each in await detached(documents, kind):
        change(each, kind)
        await each.save()


async def by_save_of_values(documents, kind) -> None:
    for each in await detached(documents, kind):
        if kind == "mutable":
            change(each, kind)
        await each.save(values=NEW[kind])


async def by_update(documents, kind) -> None:
    for each in await detached(documents, kind):
        if kind == "mutable":
            change(each, kind)
        await each.update(**NEW[kind])


async def by_bulk_update(documents, kind) -> None:
    found = await detached(documents, kind)
    for each in found:
        change(each, kind)
    await documents.Document.query.bulk_update(found)


async def by_bulk_update_of_some_fields(documents, kind) -> None:
    found = await detached(documents, kind)
    for each in found:
        change(each, kind)
    await documents.Document.query.bulk_update(found, update_fields=[*NEW[kind]])


async def by_mappings(documents, kind) -> None:
    keys = await documents.Document.query.values("id")
    await documents.Document.query.bulk_update([{**each, **NEW[kind]} for each in keys])


async def by_statement_by_keys(documents, kind) -> None:
    keys = await documents.Document.query.values("id")
    async with documents.database.session() as session:
        await session.execute(update(documents.Document), [{**each, **NEW[kind]} for each in keys])
        await session.commit()


async def by_update_or_create(documents, kind) -> None:
    for each in await documents.Document.query.values("id"):
        await documents.Document.query.update_or_create(**each, defaults=NEW[kind])


async def by_bulk_update_or_create(documents, kind) -> None:
    keys = await documents.Document.query.values("id")
    rows = [{**each, **NEW[kind]} for each in keys]
    await documents.Document.query.bulk_update_or_create(rows, unique_fields=["id"])


async def by_session(documents, kind) -> None:
    async with documents.database.session() as session:
        for each in await instances_of(documents, session, kind):
            change(each, kind)
        await session.commit()


async def by_update_in_a_session(documents, kind) -> None:
    async with documents.database.session() as session:
        for each in await instances_of(documents, session, kind):
            if kind == "mutable":
                change(each, kind)
            await each.update(**NEW[kind])
        await session.commit()


async def by_query(documents, kind) -> None:
    await documents.Document.query.update(**NEW[kind])


async def by_statement(documents, kind) -> None:
    async with documents.database.session() as session:
        await session.execute(update(documents.Document).values(**NEW[kind]))
        await session.commit()


async def by_statement_over_instances(documents, kind) -> None:
    async with documents.database.session() as session:
        found = await instances_of(documents, session, kind)
        await session.execute(update(documents.Document).values(**NEW[kind]))
        await session.commit()
        assert len(found) > 0


OF_INSTANCES = (by_save, by_save_of_values, by_update, by_bulk_update, by_session, by_update_in_a_session)
OF_ROWS = (by_query, by_statement, by_statement_over_instances)
OF_MANY = (
    *OF_ROWS,
    by_bulk_update,
    by_bulk_update_of_some_fields,
    by_mappings,
    by_statement_by_keys,
    by_bulk_update_or_create,
    by_session,
)
WAYS = tuple(dict.fromkeys((*OF_INSTANCES, *OF_MANY, by_update_or_create)))


async def fill(documents, kind: str, count: int) -> dict[int, dict]:
    """Store so many documents, all alike, and return their rows."""
    Document = documents.Document
    values = {"title": "old", "body": "old", "extra": {"a": 1}, "status": "draft", "note": None}
    values["note"] = "old" if kind == "to None" else None
    async with documents.database.session() as session:
        session.info["aldis"] = False
        await session.execute(delete(Document))
        session.add_all([Document(id=number, **values) for number in range(1, count + 1)])
        await session.commit()
    forget(documents.told)
    stored = await rows_of(documents, Document)
    documents.sql.clear()
    return stored


async def check(documents, way, kind, count) -> None:
    """Update documents, and compare what receivers are told with what the table held before and after."""
    before = await fill(documents, kind, count)
    await way(documents, kind)
    sql, told = list(documents.sql), documents.told
    after = await rows_of(documents, documents.Document)
    expected = [difference(before[number], after[number]) for number in before]
    assert all(each.keys() <= NEW[kind].keys() for each in expected)
    if told.before == []:  # a flush tells nothing of an instance without a change
        assert not any(expected)
        return
    assert told.before == told.after == told.committed == told.batches == expected
    assert all(type(each) is Change for row in told.before for each in row.values())
    if way in OF_INSTANCES and count == 1:
        read_by_sqlalchemy = kind == "expired altogether"  # its flush reads the rest of such a row
        assert sql.count("SELECT") == 1 + read_by_sqlalchemy + (kind in READS), sql


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_changes_of_an_update_are_what_the_table_tells(documents_everywhere, way) -> None:
    documents_everywhere.hear(documents_everywhere.Document, rows=way in OF_ROWS)
    for count in (1, MANY) if way in OF_MANY else (1,):
        for kind in NEW:
            try:
                await check(documents_everywhere, way, kind, count)
            except Exception as error:
                error.add_note(f"{kind}, {count}")
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


@pytest.mark.parametrize("way", [by_save, by_update, by_bulk_update, by_session], ids=lambda way: way.__name__)
async def test_listener_of_sqlalchemy_that_sets_an_attribute_is_told_after(documents, way) -> None:
    Document, told, noted, written = documents.Document, documents.told, [], []
    documents.hear(Document)

    def sign(mapper, connection, document):
        document.note = "signed"

    def note(sender, model_instance):
        noted.append(model_instance.id)

    def keep(sender, column_values):
        written.append(column_values.get("note"))

    for kind in ("save", "update"):
        signal = Document.meta.signals[f"post_{kind}"]
        signal.connect(note, Document, when=aldis.changed("note", to="signed"))
        signal.connect(keep, Document)
    for count in (1, MANY) if way in OF_MANY else (1,):
        before = await fill(documents, "known", count)
        noted.clear()
        written.clear()
        event.listen(Document, "before_update", sign)
        await way(documents, "known")
        event.remove(Document, "before_update", sign)
        after = await rows_of(documents, Document)
        assert {row["note"] for row in after.values()} == {"signed"}
        assert told.before == [{"title": ("old", "new")}] * count
        expected = [difference(before[number], after[number]) for number in before]
        assert told.after == told.committed == told.batches == expected
        assert (noted, written) == (list(before), ["signed"] * count)


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
    monkeypatch.setattr("aldis.orm.saving.row_changes.Changes.__init__", None)
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
