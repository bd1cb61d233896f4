"""``rows=True``: receivers that hear each row of ``query.update()``, ``query.delete()`` and a session's statements."""

from __future__ import annotations

import pytest
from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    Table,
    bindparam,
    create_engine,
    delete,
    event,
    func,
    inspect,
    literal,
    select,
    update,
)
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, aliased, mapped_column
from told_of_rows import Told, accounts_on, refill, stored

import aldis
from aldis import Change
from aldis.orm.saving import row_batches
from aldis.signals import post_delete, post_update, pre_delete, pre_update


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    """Let a batch be of three rows."""
    monkeypatch.setattr(row_batches, "SIZE", 3)


@pytest.fixture
async def accounts(url):
    """Return models on each driver."""
    async with accounts_on(url) as found:
        yield found


@pytest.fixture
async def memory():
    """Return models in memory."""
    async with accounts_on("sqlite+aiosqlite://") as found:
        yield found


def rows(count: int) -> list[dict]:
    return [{"id": number, "holder": f"u{number}", "balance": number, "note": None} for number in range(1, count + 1)]


async def test_two_statements_a_batch_and_three_on_mariadb(accounts) -> None:
    await refill(accounts, accounts.Account, rows(7))
    told = Told(accounts.Account)
    accounts.sql.clear()
    assert await accounts.Account.query.filter(accounts.Account.balance > 0).update(note="seen") == 7
    sent = [each.split()[0] for each in accounts.sql if each.split()[0] in {"SELECT", "UPDATE"}]
    batch = ["SELECT", "UPDATE"] if accounts.dialect != "mariadb" else ["SELECT", "UPDATE", "SELECT"]
    assert sent == batch * 3, "7 rows by 3"
    assert [key for key, *_ in told.after] == [(number,) for number in range(1, 8)]
    accounts.sql.clear()
    assert await accounts.Account.query.delete() == 7
    sent = [each.split()[0] for each in accounts.sql if each.split()[0] in {"SELECT", "DELETE"}]
    assert sent == ["SELECT", "DELETE"] * 3


async def test_batches_that_are_full_are_not_looked_for_again(memory) -> None:
    await refill(memory, memory.Account, rows(6))
    Told(memory.Account)
    memory.sql.clear()
    assert await memory.Account.query.update(note="seen") == 6
    assert [each.split()[0] for each in memory.sql if "account" in each] == ["SELECT", "UPDATE"] * 2


async def test_others_cannot_write_rows_that_were_told(accounts) -> None:
    await refill(accounts, accounts.Account, rows(2))
    locked = []

    async def look(sender, instance) -> None:
        # SQLite: the whole file is locked. Elsewhere the row is, and SKIP LOCKED passes over it.
        if accounts.dialect == "sqlite":
            locked.append(accounts.sql[0].startswith("BEGIN IMMEDIATE"))
            return
        async with aldis.detached(), accounts.database.engine.connect() as connection:
            statement = select(accounts.Account.id).with_for_update(skip_locked=True)
            locked.append(list(await connection.scalars(statement)) == [])

    accounts.Account.meta.signals.pre_update.connect(look, accounts.Account, rows=True)
    accounts.sql.clear()
    await accounts.Account.query.update(note="seen")
    assert locked == [True, True]


async def test_others_hear_the_statement_once(memory) -> None:
    Account, signals = memory.Account, memory.Account.meta.signals
    await refill(memory, Account, rows(4))
    heard = []

    def once(sender, instance, model_instance, row_count=None, changes=()) -> None:
        heard.append((type(instance), model_instance, row_count, changes))

    for name in ("pre_update", "post_update"):
        signals[name].connect(once, Account, weak=False)
    told = Told(Account)
    await Account.query.update(note="seen")
    QuerySet = type(Account.query)
    assert heard == [(QuerySet, None, None, None), (QuerySet, None, 4, None)]
    assert len(told.before) == len(told.after) == 4


async def test_once_changes_what_is_written_and_told(memory) -> None:
    Account, signals = memory.Account, memory.Account.meta.signals
    await refill(memory, Account, rows(2))

    @signals.pre_update.connect_via(Account)
    def shout(sender, column_values) -> None:
        column_values["note"] = column_values["note"].upper()

    @signals.pre_delete.connect_via(Account)
    def narrow(sender, injected_filters) -> None:
        injected_filters.append({"id": 2})

    told = Told(Account)
    await Account.query.update(note="seen")
    assert [changes for _, _, changes in told.before] == [{"note": Change(None, "SEEN")}] * 2
    assert {row["note"] for row in (await stored(memory, Account)).values()} == {"SEEN"}
    told.before.clear()
    assert await Account.query.delete() == 1
    assert [key for key, _ in told.before] == [(2,)]


async def test_once_skips_the_whole_statement(memory) -> None:
    await refill(memory, memory.Account, rows(2))

    @memory.Account.meta.signals.pre_update.connect_via(memory.Account)
    def skip(sender) -> None:
        raise aldis.SkipOperation

    told = Told(memory.Account)
    assert await memory.Account.query.update(note="seen") == 0
    assert told.before == told.after == []


async def test_skipped_rows_are_left_out(accounts) -> None:
    await refill(accounts, accounts.Account, rows(5))
    told = Told(accounts.Account, skips=[(2,), (4,), (5,)])
    assert await accounts.Account.query.update(balance=accounts.Account.balance + 10) == 2
    assert [row["balance"] for row in (await stored(accounts, accounts.Account)).values()] == [11, 2, 13, 4, 5]
    assert [(key, changes, count, skipped) for key, _, changes, count, skipped in told.after] == [
        ((1,), {"balance": (1, 11)}, 1, False),
        ((2,), {}, 0, True),
        ((3,), {"balance": (3, 13)}, 1, False),
        ((4,), {}, 0, True),
        ((5,), {}, 0, True),
    ]


async def test_receiver_that_raises_undoes_the_batches_before(accounts) -> None:
    Account = accounts.Account
    await refill(accounts, Account, rows(5))

    @Account.meta.signals.post_update.connect_via(Account, rows=True)
    async def fail(sender, instance) -> None:
        if instance.id == 5:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        await Account.query.update(note="seen")
    assert "aldis: at the row id=5 of Account.query.update()" in caught.value.__notes__
    async with accounts.database.session() as session:
        known = (await session.scalars(select(Account).order_by(Account.id))).all()
        with pytest.raises(ZeroDivisionError):
            await session.execute(update(Account).values(note="seen"))
        await session.commit()
        assert known
    assert {row["note"] for row in (await stored(accounts, Account)).values()} == {None}


async def test_new_rows_of_receivers_are_not_told(memory) -> None:
    """A receiver that writes to the table it listens to would have no end else."""
    Account = memory.Account
    await refill(memory, Account, rows(4))
    told = Told(Account)

    @Account.meta.signals.post_update.connect_via(Account, rows=True)
    async def copy(sender, instance) -> None:
        await Account.query.create(holder=f"copy of {instance.id}", balance=1)

    assert await Account.query.filter(Account.balance > 0).update(note="seen") == 4
    assert [key for key, *_ in told.before] == [(1,), (2,), (3,), (4,)]
    assert len(await stored(memory, Account)) == 8


async def test_rows_that_the_statement_makes_match_or_not_are_told_once(memory) -> None:
    Account = memory.Account
    await refill(memory, Account, rows(8))
    told = Told(Account)
    assert await Account.query.filter(Account.balance < 6).update(balance=Account.balance - 9) == 5
    assert await Account.query.filter(Account.balance < 0).update(balance=50) == 5
    assert [key for key, *_ in told.before] == [(number,) for number in (1, 2, 3, 4, 5)] * 2


async def test_instances_are_detached_and_clean(accounts) -> None:
    Account, seen = accounts.Account, []
    await refill(accounts, Account, rows(1))

    @Account.meta.signals.pre_update.connect_via(Account, rows=True)
    def before(sender, instance, values, column_values, is_update, is_migration) -> None:
        state = inspect(instance)
        seen.append(
            (
                instance,
                state.modified,
                state.detached,
                instance.note,
                dict(values),
                dict(column_values),
                is_update,
                is_migration,
            )
        )
        assert aldis.context.CURRENT_INSTANCE.get() is instance
        assert aldis.context.CURRENT_MODEL_INSTANCE.get() is instance
        assert aldis.context.EXPLICIT_SPECIFIED_VALUES.get() == {"note"}

    @Account.meta.signals.post_update.connect_via(Account, rows=True)
    async def after(sender, instance, column_values) -> None:
        seen.append((instance, instance.note, column_values))

    await Account.query.update(note="seen")
    (instance, *first), (same, *second) = seen
    assert instance is same
    assert first == [False, True, None, {"note": "seen"}, {"note": "seen"}, True, False]
    assert second == ["seen", {"note": "seen"}]
    await instance.update(note="again")  # it is told as each row is
    assert seen[2][1:4] == (True, True, "again")
    assert [row["note"] for row in (await stored(accounts, Account)).values()] == ["again"]


async def test_column_values_are_read_only(memory) -> None:
    await refill(memory, memory.Account, rows(1))

    def change(sender, column_values) -> None:
        column_values["note"] = "other"

    memory.Account.meta.signals.pre_update.connect(change, memory.Account, rows=True)
    with pytest.raises(TypeError, match="column_values is read-only for a receiver with rows=True"):
        await memory.Account.query.update(note="seen")
    assert (await stored(memory, memory.Account))[1,]["note"] is None


async def test_what_a_receiver_sets_on_an_instance_is_refused(memory) -> None:
    await refill(memory, memory.Account, rows(1))

    def change(sender, instance) -> None:
        instance.note = "other"

    memory.Account.meta.signals.pre_update.connect(change, memory.Account, rows=True)
    with pytest.raises(aldis.RefusedError, match=r"has set 'note' of .* one statement writes all rows"):
        await memory.Account.query.update(balance=0)


async def test_options_combine(memory) -> None:
    Account, signals = memory.Account, memory.Account.meta.signals
    await refill(memory, Account, rows(4))
    heard = []

    @signals.post_update.connect_via(Account, rows=True, batched=True, when=aldis.changed("balance", to=0))
    def batched(sender, batch) -> None:
        heard.append(("batch", [row["instance"].id for row in batch], batch.column("changes")))

    @signals.post_update.connect_via(Account, rows=True, priority=1, when=aldis.changed("note"))
    async def first(sender, instance, changes) -> None:
        heard.append(("first", instance.id, changes["note"].old))

    @signals.post_update.connect_via(Account, rows=True, after_commit=True)
    async def later(sender, instance, changes) -> None:
        heard.append(("later", instance.id, dict(changes)))

    @signals.post_update.connect_via(Account, rows=True, after_rollback=True)
    def undone(sender, instance) -> None:
        heard.append(("undone", instance.id))

    await Account.query.filter(Account.id < 3).update(balance=0)
    assert heard == [
        ("batch", [1, 2], [{"balance": (1, 0)}, {"balance": (2, 0)}]),
        ("later", 1, {"balance": (1, 0)}),
        ("later", 2, {"balance": (2, 0)}),
    ]
    heard.clear()
    with pytest.raises(KeyError):
        async with memory.database.transaction():
            await Account.query.filter(Account.id == 4).update(note="seen")
            raise KeyError
    assert heard == [("first", 4, None), ("undone", 4)]


async def test_batched_receiver_skips_its_batch(memory) -> None:
    await refill(memory, memory.Account, rows(4))

    @memory.Account.meta.signals.pre_update.connect_via(memory.Account, rows=True, batched=True)
    async def skip(sender, batch) -> None:
        if batch[0]["instance"].id == 1:
            raise aldis.SkipOperation

    assert await memory.Account.query.update(note="seen") == 1
    assert [row["note"] for row in (await stored(memory, memory.Account)).values()] == [None, None, None, "seen"]


@pytest.fixture
def people():
    """Return classes without the mixin, of one table and of two, and an engine."""

    class Base(DeclarativeBase): ...

    class Person(Base):
        __tablename__ = "person"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        age: Mapped[int] = mapped_column(default=1)
        kind: Mapped[str] = mapped_column(default="person")
        secret: Mapped[str | None] = mapped_column(deferred=True)
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}  # noqa: RUF012

    class Admin(Person):
        level: Mapped[int | None]
        __mapper_args__ = {"polymorphic_identity": "admin"}  # noqa: RUF012

    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(
            [Person(name="Ada"), Admin(name="Bob", level=3), Person(name="Eve"), Admin(name="Kim", level=4)]
        )
        session.commit()
    yield Person, Admin, engine
    engine.dispose()


def test_plain_session_tells_each_row_of_a_class_without_the_mixin(people) -> None:
    Person, Admin, engine = people
    heard = []

    def each(sender, instance, changes) -> None:
        heard.append((sender, type(instance), instance.id, changes["name"].new))

    pre_update.connect(each, Person, rows=True, subclasses=True)
    with Session(engine) as session:
        result = session.execute(update(Person).values(name="y"))
        assert result.rowcount == 4
        session.commit()
    assert heard == [
        (Person, Person, 1, "y"),
        (Person, Person, 3, "y"),
        (Admin, Admin, 2, "y"),
        (Admin, Admin, 4, "y"),
    ]
    pre_update.disconnect(each, Person)


def test_rows_of_a_class_below_are_told_and_all_are_written(people) -> None:
    Person, Admin, engine = people
    heard = []

    def each(sender, instance) -> None:
        heard.append((sender, instance.name, instance.level))

    with Session(engine) as session:
        pre_delete.connect(each, Admin, rows=True)
        assert session.execute(delete(Person)).rowcount == 4
        session.rollback()
        assert heard == [(Admin, "Bob", 3), (Admin, "Kim", 4)]
        heard.clear()
        assert session.execute(delete(Admin).where(Admin.level > 3)).rowcount == 1
        assert heard == [(Admin, "Kim", 4)]
        session.rollback()
    pre_delete.disconnect(each, Admin)


def test_rows_of_several_tables_are_refused_and_those_of_one_told(people) -> None:
    Person, _, engine = people
    heard = []

    class Boss(Person):
        __tablename__ = "boss"
        id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True)
        bonus: Mapped[int]
        __mapper_args__ = {"polymorphic_identity": "boss"}  # noqa: RUF012

    def each(sender, instance) -> None:
        heard.append(instance.name)

    Person.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Boss(name="Zoe", bonus=1))
        session.flush()
        pre_update.connect(each, Person, rows=True)
        assert session.execute(update(Person).values(age=2)).rowcount == 5
        assert heard == ["Ada", "Eve"], "the bosses are of another class, and written all the same"
        pre_update.connect(each, Boss, rows=True)
        with pytest.raises(aldis.RefusedError, match=r"hears each row of Person .* writes rows of a class of several"):
            session.execute(update(Person).values(age=3))
    pre_update.disconnect(each, Person)
    pre_update.disconnect(each, Boss)


def test_parameters_of_a_statement_are_told_as_its_values(people) -> None:
    Person, _, engine = people
    told = []

    def each(sender, values, column_values) -> None:
        told.append((dict(values), dict(column_values)))

    pre_update.connect(each, Person)
    statement = update(Person).where(Person.id == bindparam("key")).values(name=bindparam("new_name"))
    with Session(engine) as session:
        session.execute(statement, {"key": 1, "new_name": "x"})
        pre_update.connect(each, Person, rows=True)
        session.execute(statement, {"key": 3, "new_name": "y"})
        assert told == [({"name": "x"}, {"name": "x"}), ({"name": "y"}, {"name": "y"})]
        assert session.scalars(select(Person.name).order_by(Person.id)).all() == ["x", "Bob", "y", "Kim"]
    pre_update.disconnect(each, Person)


def test_instances_of_the_session_are_told_and_synchronized(people) -> None:
    Person, _, engine = people
    heard = []

    def each(sender, instance, row_count) -> None:
        heard.append((instance, instance.name, row_count))

    def before(sender, instance) -> None:
        heard.append((instance, instance.name))

    pre_update.connect(before, Person, rows=True)
    post_update.connect(each, Person, rows=True)
    with Session(engine) as session:
        ada = session.get(Person, 1)
        session.expire(ada, ["age"])
        session.execute(update(Person).where(Person.id == bindparam("key")).values(name=func.upper("x")), {"key": 1})
        assert heard == [(ada, "Ada"), (ada, "X", 1)]
        assert ada.name == "X"
        assert not session.is_modified(ada)
        eve = session.get(Person, 3)
        names = session.scalars(update(Person).where(Person.name > "Bob").values(name="z").returning(Person.name)).all()
        assert names == ["z", "z", "z"], "of X, Eve and Kim, in two batches"
        assert (ada.name, eve.name) == ("z", "z")
        assert session.scalars(update(Person).where(Person.id > 9).values(name="z").returning(Person)).all() == []
    pre_update.disconnect(before, Person)
    post_update.disconnect(each, Person)


def test_attributes_that_were_not_read_raise(people) -> None:
    Person, _, engine = people

    def each(sender, instance) -> None:
        assert instance.name == "Ada"
        instance.secret  # noqa: B018

    post_delete.connect(each, Person, rows=True)
    with Session(engine) as session:
        with pytest.raises(Exception, match="not bound to a Session; deferred load operation of attribute 'secret'"):
            session.execute(delete(Person).where(Person.id == 1))
        session.rollback()
    post_delete.disconnect(each, Person)


async def test_async_session_runs_receivers_in_its_transaction(memory) -> None:
    Account = memory.Account
    await refill(memory, Account, rows(2))

    @Account.meta.signals.post_update.connect_via(Account, rows=True)
    async def copy(sender, instance) -> None:
        await Account.query.create(holder="copy", balance=instance.balance)

    async with memory.database.session() as session:
        await session.execute(update(Account).where(Account.balance > 0).values(note="seen"))
        assert len((await session.scalars(select(Account))).all()) == 4
        await session.rollback()
    assert len(await stored(memory, Account)) == 2


def refused(Account):
    """Return statements that cannot be told of row by row, with the reason."""
    other = aliased(Account)
    some = select(Account.id).where(Account.balance > 1).cte("some")
    return {
        "has a LIMIT": lambda: Account.query.limit(1).update(note="x"),
        "has a LIMIT ": lambda: Account.query.offset(1).delete(),
        "has joins": lambda: Account.query.filter(Account.balance == other.balance).delete(),
        "has joins ": lambda: type(Account.query)(
            Account, select(Account).join(other, other.balance == Account.balance)
        ).delete(),
        "has a CTE": lambda: Account.query.filter(Account.id.in_(select(some.c.id))).update(note="x"),
        "has GROUP BY, HAVING or DISTINCT": lambda: type(Account.query)(Account, select(Account).distinct()).delete(),
        "changes the key (id)": lambda: Account.query.update(id=5),
        "sets a value that it reads from other rows of the same table": lambda: Account.query.update(
            balance=select(func.max(other.balance)).scalar_subquery()
        ),
    }


@pytest.mark.parametrize(
    "reason",
    [
        "has a LIMIT",
        "has a LIMIT ",
        "has joins",
        "has joins ",
        "has a CTE",
        "has GROUP BY, HAVING or DISTINCT",
        "changes the key (id)",
        "sets a value that it reads from other rows of the same table",
    ],
)
async def test_statement_that_cannot_be_told_is_refused_by_name(memory, reason) -> None:
    Account = memory.Account
    await refill(memory, Account, rows(3))
    before = await stored(memory, Account)
    told = Told(Account)
    with pytest.raises(aldis.RefusedError) as caught:
        await refused(Account)[reason]()
    message = str(caught.value)
    assert message.startswith("Account.query.")
    assert f"told of each row of a statement that {reason.strip()}. Instead," in message
    assert "told_of_rows" in message, "the receiver is named"
    assert told.before == []
    assert await stored(memory, Account) == before
    with aldis.signals_disabled():
        if not reason.startswith(("has joins", "has GROUP", "changes")):
            await refused(Account)[reason]()


async def test_session_refuses_too(memory) -> None:
    Account = memory.Account
    await refill(memory, Account, rows(3))
    Told(Account)
    other = aliased(Account)
    async with memory.database.session() as session:
        for statement, reason in (
            (update(Account).where(Account.balance == other.balance).values(note="x"), "has joins"),
            (delete(Account).with_dialect_options(mysql_limit=1), "has a LIMIT"),
            (update(Account).values(id=1), r"changes the key \(id\)"),
            (update(Account).values(balance=select(func.max(Account.balance)).scalar_subquery()), "sets a value"),
        ):
            with pytest.raises(aldis.RefusedError, match=rf"^(update|delete)\(Account\) is refused.* that {reason}"):
                await session.execute(statement)


async def test_column_without_an_attribute_is_written_or_refused(memory) -> None:
    class Shy(memory.Base):
        __table__ = Table(
            "shy",
            memory.Base.metadata,
            Column("id", Integer, primary_key=True),
            Column("open", Integer, default=0),
            Column("hidden", Integer),
        )
        __mapper_args__ = {"exclude_properties": ["hidden"]}  # noqa: RUF012

    async def hidden() -> list:
        async with memory.database.engine.connect() as connection:
            return [tuple(row) for row in await connection.execute(select(Shy.__table__))]

    async with memory.database.engine.begin() as connection:
        await connection.run_sync(Shy.__table__.create)
    await Shy.query.create(open=1)
    column = Shy.__table__.c.hidden
    heard = []

    def hear(sender, column_values) -> None:
        heard.append(dict(column_values))

    Shy.meta.signals.pre_update.connect(hear, Shy)
    async with memory.database.session() as session:
        await session.execute(update(Shy).values({column: 5}))
        await session.execute(update(Shy).values({column: 6, Shy.open: 2}))
        await session.commit()
    assert (heard, await hidden()) == ([{}, {"open": 2}], [(1, 2, 6)])
    Shy.meta.signals.post_update.connect(lambda sender, instance: None, Shy, rows=True, weak=False)
    for values in ({column: 7}, {column: 7, Shy.open: 3}):
        async with memory.database.session() as session:
            with pytest.raises(
                aldis.RefusedError, match=r"that sets a column without an attribute \(hidden\)\. Instead"
            ):
                await session.execute(update(Shy).values(values))
    assert await hidden() == [(1, 2, 6)]


@pytest.mark.parametrize("rows", [False, True])
async def test_update_that_sets_nothing_is_sqlalchemys_error(memory, rows) -> None:
    Account = memory.Account
    await refill(memory, Account, [{"id": 1, "holder": "u1", "balance": 1, "note": None}])
    Account.meta.signals.pre_update.connect(lambda sender: None, Account, rows=rows, weak=False)
    async with memory.database.session() as session:
        with pytest.raises(OperationalError, match="syntax error"):
            await session.execute(update(Account).where(Account.id == 1))


async def test_correlated_subquery_is_told(memory) -> None:
    Account, Place = memory.Account, memory.Place
    await refill(memory, Account, rows(4))
    await refill(memory, Place, [{"area": "a", "number": 3, "holder": "u3", "balance": 30, "note": None}])
    told = Told(Account)
    total = select(func.coalesce(func.sum(Place.balance), 0)).where(Place.holder == Account.holder).scalar_subquery()
    has_place = select(literal(1)).where(Place.number <= Account.id).exists()
    assert await Account.query.filter(has_place).update(balance=total) == 2
    assert [(key, changes) for key, _, changes, *_ in told.after] == [
        ((3,), {"balance": (3, 30)}),
        ((4,), {"balance": (4, 0)}),
    ]


async def test_strict_mode_counts_rows_as_told(memory) -> None:
    Account, signals = memory.Account, memory.Account.meta.signals
    await refill(memory, Account, rows(3))
    told = Told(Account)
    async with memory.database.session() as session:
        with aldis.strict():
            assert await Account.query.update(note="seen") == 3
            assert (await session.execute(update(Account).values(note="again"))).rowcount == 3
        await session.commit()

    @signals.post_update.connect_via(Account)
    def once(sender) -> None: ...

    told.before.clear()
    with aldis.strict():
        with pytest.raises(aldis.RefusedError, match=r"once listens to post_update .* connect it with rows=True, or "):
            await Account.query.update(note="x")
        assert await Account.query.delete() == 3
    assert [key for key, *_ in told.before] == [(1,), (2,), (3,)]


async def test_deaf_and_muted_signals_run_one_statement(memory) -> None:
    Account = memory.Account
    await refill(memory, Account, rows(4))
    told = Told(Account)
    memory.sql.clear()
    with Account.meta.signals.pre_update.muted(), Account.meta.signals.post_update.muted():
        await Account.query.update(note="seen")
    with aldis.signals_disabled():
        await Account.query.update(note="seen")
    assert [each.split()[0] for each in memory.sql if "account" in each] == ["UPDATE", "UPDATE"]
    assert told.before == []


async def test_deferred_begin_takes_the_lock_to_write_first(tmp_path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/deferred.db"
    async with accounts_on(url) as found:
        await refill(found, found.Account, rows(1))
        Told(found.Account)
        async with aldis.Database(url, begin="deferred") as database:
            sql = []
            event.listen(database.engine.sync_engine, "before_cursor_execute", lambda *args: sql.append(args[2]))
            await found.Account.query.using(database).update(note="seen")
            assert sql[:2] == ["BEGIN", "UPDATE account SET id=account.id WHERE 0 = 1"]


async def test_another_engine_and_session_without_a_database(people) -> None:
    Person, _, _ = people
    engine = create_async_engine("sqlite+aiosqlite://")
    heard = []

    async def each(sender, instance) -> None:
        heard.append(instance.name)

    pre_delete.connect(each, Person, rows=True)
    async with engine.begin() as connection:
        await connection.run_sync(Person.metadata.create_all)
    async with AsyncSession(engine) as session:
        session.add_all([Person(name="Ada"), Person(name="Bob")])
        await session.flush()
        assert (await session.execute(delete(Person))).rowcount == 2
        await session.commit()
    assert heard == ["Ada", "Bob"]
    pre_delete.disconnect(each, Person)
    await engine.dispose()
