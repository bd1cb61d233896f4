"""The revision that ``null_fields`` makes, and how its columns are filled, on sync and async drivers."""

from __future__ import annotations

import asyncio
import io
import uuid
from pathlib import Path
from typing import ClassVar

import pytest
import sqlalchemy as sa
from alembic.util import CommandError
from projects import add_revision, make_project, nullable, query, tables_in
from sqlalchemy import ForeignKey, MetaData, String, event
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.orm.exc import DetachedInstanceError

import aldis
from aldis import migrations
from aldis.migrations import apply_default_force_nullable_fields
from aldis.signals import LIFECYCLE


def new_base(url: str):
    """Return a declarative base whose signals are its own."""

    class Base(aldis.Model, DeclarativeBase):
        kept: ClassVar[list[type]] = []

        def __init_subclass__(cls, **options) -> None:
            super().__init_subclass__(**options)
            cls.kept.append(cls)  # as a module does

        metadata = MetaData(naming_convention=migrations.NAMING_CONVENTION)
        database = aldis.Database(url)
        type_annotation_map = {str: String(100)}  # noqa: RUF012

    for signal in LIFECYCLE:
        setattr(Base.meta.signals, signal.name, aldis.NamedSignal(signal.name))
    return Base


class Shop:
    """A project whose tables are made by a first revision, before its models get more columns."""

    def __init__(self, databases, folder, is_async: bool) -> None:
        self.plain, self.async_ = databases.make()
        self.folder = folder
        self.config = make_project(folder, self.async_ if is_async else self.plain, is_async)
        for path in (folder / "migrations/versions").glob("*.py"):
            path.unlink()
        self.quote = "`" if self.plain.startswith("mariadb") else '"'

    def base(self):
        return new_base(self.async_)

    def begin(self, base) -> None:
        """Make the tables of the models as they are now, and mark the database with a first revision."""
        engine = sa.create_engine(self.plain)
        base.metadata.create_all(engine)
        engine.dispose()
        add_revision(self.folder, "a1", None, "pass")
        migrations.upgrade(self.config, "head")

    def migrate(self, base, *null_fields: str, revision: str = "b2") -> str:
        """Generate a revision; return its text."""
        self.config.attributes["metadata"] = base.metadata
        script = migrations.migrate(self.config, "more", rev_id=revision, null_fields=null_fields)
        return Path(script.path).read_text()

    def upgrade(self, base, to: str = "head") -> None:
        self.config.attributes["metadata"] = base.metadata
        migrations.upgrade(self.config, to)

    def query(self, *statements: str):
        return query(self.plain, *(statement.replace("|", self.quote) for statement in statements))


@pytest.fixture(params=["plain driver", "async driver"])
def shop(request, databases, tmp_path):
    return Shop(databases, tmp_path, request.param.startswith("async"))


@pytest.fixture
def sqlite_shop(sqlite, tmp_path):
    return Shop(sqlite, tmp_path, is_async=False)


def users(shop, **columns):
    """Return a base with a model of users that has further columns."""
    base = shop.base()
    User = type(
        "User",
        (base,),
        {
            "__tablename__": "user",
            "__annotations__": {"id": Mapped[int], "name": Mapped[str], **dict.fromkeys(columns, Mapped[str])},
            "id": mapped_column(primary_key=True),
            "name": mapped_column(),
            **columns,
        },
    )
    return base, User


THREE = "INSERT INTO |user| (id, name) VALUES (2, 'Ada'), (4, 'Bob'), (7, 'Eve')"


def test_new_column_is_added_filled_and_made_not_null(shop) -> None:
    base, _ = users(shop)
    shop.begin(base)
    shop.query(THREE)
    base, User = users(
        shop, email=mapped_column(unique=True, default=lambda c: f"{c.get_current_parameters()['name']}@x")
    )
    told = []

    @base.meta.signals.pre_update.connect_via(User)
    def before(sender, instance, model_instance, values, column_values, is_update, is_migration) -> None:
        told.append(("pre", instance.name, dict(values), is_update, is_migration, instance is model_instance))

    @base.meta.signals.post_update.connect_via(User)
    async def after(sender, instance, column_values, row_count, operation_skipped, is_migration) -> None:
        await asyncio.sleep(0)
        told.append(("post", instance.email, column_values["email"], row_count, operation_skipped, is_migration))

    text = shop.migrate(base, "User.email")
    steps = [
        "add_column_once(",
        "nullable=True",
        "fill_null_fields(",
        "alter_column_when_filled(",
        "nullable=False",
        "create_unique",
    ]
    places = [text.index(step) for step in steps]
    assert places == sorted(places)
    shop.upgrade(base)
    assert shop.query("SELECT id, name, email FROM |user| ORDER BY id") == [
        (2, "Ada", "Ada@x"),
        (4, "Bob", "Bob@x"),
        (7, "Eve", "Eve@x"),
    ]
    assert nullable(shop.plain, "user") == {"id": False, "name": False, "email": False}
    assert told == [
        *(("pre", name, {"email": f"{name}@x"}, True, True, True) for name in ("Ada", "Bob", "Eve")),
        *(("post", f"{name}@x", f"{name}@x", 1, False, True) for name in ("Ada", "Bob", "Eve")),
    ]
    migrations.downgrade(shop.config, "a1")
    assert nullable(shop.plain, "user") == {"id": False, "name": False}


def test_receiver_gives_the_value_or_leaves_the_row(shop, caplog) -> None:
    base, _ = users(shop)
    shop.begin(base)
    shop.query(THREE)
    base, User = users(shop, email=mapped_column())

    @base.meta.signals.pre_update.connect_via(User)
    async def before(sender, instance, column_values) -> None:
        assert column_values == {"email": None}
        if instance.name == "Bob":
            raise aldis.SkipOperation("Bob has none")
        column_values["email"] = f"{instance.name}@received"

    skipped = []
    base.meta.signals.post_update.connect(
        lambda sender, instance, operation_skipped: skipped.append((instance.name, operation_skipped)), weak=False
    )
    shop.migrate(base, "User.email")
    shop.upgrade(base)
    assert shop.query("SELECT name, email FROM |user| ORDER BY id") == [
        ("Ada", "Ada@received"),
        ("Bob", None),
        ("Eve", "Eve@received"),
    ]
    assert skipped == [("Ada", False), ("Bob", True), ("Eve", False)]
    assert nullable(shop.plain, "user")["email"] is True
    assert "user.email stays nullable: 1 rows are still NULL" in caplog.text


def test_row_without_a_value_stops_the_migration_which_goes_on_when_run_again(shop) -> None:
    base, _ = users(shop)
    shop.begin(base)
    shop.query(THREE)
    base, _ = users(shop, email=mapped_column())
    text = shop.migrate(base, "User.email")
    with pytest.raises(aldis.ConfigurationError, match=r"User\.email has no value for the row \(2,\): give the column"):
        shop.upgrade(base)
    assert shop.query("SELECT version_num FROM alembic_version") == [("a1",)]
    assert shop.query("SELECT email FROM |user|") == [(None,)] * 3
    (path,) = shop.folder.glob("migrations/versions/b2_*.py")
    path.write_text(
        text.replace("model='User'", "model='User', defaults={'email': lambda user: user.name.lower()}, batch_size=2")
    )
    shop.upgrade(base)
    assert shop.query("SELECT email FROM |user| ORDER BY id") == [("ada",), ("bob",), ("eve",)]
    assert nullable(shop.plain, "user")["email"] is False


@pytest.mark.parametrize("after", ["add_column_once", "fill_null_fields", "alter_column_when_filled"])
def test_interrupted_after_any_step_it_goes_on_when_run_again(shop, after) -> None:
    base, _ = users(shop)
    shop.begin(base)
    shop.query(THREE)
    base, _User = users(shop, email=mapped_column(default="none"))
    told = []
    base.meta.signals.post_update.connect(lambda sender, instance: told.append(instance.name), weak=False)
    whole = shop.migrate(base, "User.email")
    (path,) = shop.folder.glob("migrations/versions/b2_*.py")
    at = whole.index(f"op.{after}(")
    depth, end = 1, whole.index("(", at) + 1
    while depth:
        depth += {"(": 1, ")": -1}.get(whole[end], 0)
        end += 1
    stop = "\n    op.get_context().connection.commit(); op.get_context().connection.begin(); raise KeyError('power')"
    path.write_text(f"{whole[:end]}{stop}{whole[end:]}")
    with pytest.raises(KeyError, match="power"):
        shop.upgrade(base)
    path.write_text(whole)
    shop.upgrade(base)
    assert shop.query("SELECT email FROM |user| ORDER BY id") == [("none",)] * 3
    assert told == ["Ada", "Bob", "Eve"]
    assert nullable(shop.plain, "user")["email"] is False


def test_every_model_that_has_the_field(shop) -> None:
    def models(*, more: bool):
        base = shop.base()

        class User(base):
            __tablename__ = "user"
            id: Mapped[int] = mapped_column(primary_key=True)
            if more:
                active: Mapped[bool] = mapped_column(default=True)

        class Tag(base):
            __tablename__ = "tag"
            space: Mapped[str] = mapped_column(primary_key=True)
            word: Mapped[str] = mapped_column(primary_key=True)
            if more:
                active: Mapped[bool] = mapped_column("is_active", default=lambda: False)
                weight: Mapped[int] = mapped_column(default=3)

        return base

    base = models(more=False)
    shop.begin(base)
    rows = ", ".join(f"('{space}', '{word}')" for space in "ab" for word in "xyz")
    shop.query("INSERT INTO |user| (id) VALUES (1), (2)", f"INSERT INTO tag (space, word) VALUES {rows}")
    base = models(more=True)
    text = shop.migrate(base, ":active", "Tag.weight")
    assert text.count("fill_null_fields") == 2
    (path,) = shop.folder.glob("migrations/versions/b2_*.py")
    path.write_text(text.replace("model='Tag'", "model='Tag', batch_size=4"))
    shop.upgrade(base)
    assert [bool(active) for (active,) in shop.query("SELECT active FROM |user|")] == [True, True]
    assert shop.query("SELECT word, is_active, weight FROM tag ORDER BY space, word") == [
        (word, False, 3) for _ in "ab" for word in "xyz"
    ]
    assert not any(nullable(shop.plain, "tag").values())


def test_model_that_is_ahead_by_two_revisions_reads_what_is_there(shop) -> None:
    base, _ = users(shop)
    shop.begin(base)
    shop.query(THREE)
    base, _ = users(shop, email=mapped_column(default="mail"))
    shop.migrate(base, "User.email")
    base, User = users(
        shop, email=mapped_column(default="mail"), phone=mapped_column(default="none", onupdate="changed")
    )
    names = []

    @base.meta.signals.pre_update.connect_via(User)
    def before(sender, instance) -> None:
        names.append(instance.name)
        if "phone" not in nullable(shop.plain, "user"):
            with pytest.raises(DetachedInstanceError, match="phone"):
                _ = instance.phone

    shop.upgrade(base)
    shop.migrate(base, "User.phone", revision="c3")
    shop.upgrade(base)
    assert shop.query("SELECT email, phone FROM |user|") == [("mail", "none")] * 3
    assert names == ["Ada", "Bob", "Eve"] * 2


def test_model_that_is_gone_is_missed_only_where_there_are_rows(shop) -> None:
    base, _ = users(shop)
    shop.begin(base)
    base, _ = users(shop, email=mapped_column(default="mail"))
    shop.migrate(base, "User.email")
    gone = shop.base()
    shop.upgrade(gone)
    assert nullable(shop.plain, "user")["email"] is False
    migrations.downgrade(shop.config, "a1")
    shop.query(THREE)
    with pytest.raises(CommandError, match="user has rows to fill in email, and no model is called 'User' any more"):
        shop.upgrade(gone)


def test_inherited_columns_are_filled_once_by_their_classes(shop) -> None:
    def models(*, more: bool):
        base = shop.base()

        class Animal(base):
            __tablename__ = "animal"
            id: Mapped[int] = mapped_column(primary_key=True)
            kind: Mapped[str]
            if more:
                name: Mapped[str] = mapped_column(default="nameless")
            __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}  # noqa: RUF012

        class Dog(Animal):
            __mapper_args__ = {"polymorphic_identity": "dog"}  # noqa: RUF012

        class Bird(Animal):
            __tablename__ = "bird"
            id: Mapped[int] = mapped_column(ForeignKey("animal.id"), primary_key=True)
            if more:
                wings: Mapped[int] = mapped_column(default=2)
            __mapper_args__ = {"polymorphic_identity": "bird"}  # noqa: RUF012

        return base

    base = models(more=False)
    shop.begin(base)
    shop.query(
        "INSERT INTO animal (id, kind) VALUES (1, 'dog'), (2, 'bird'), (3, 'animal'), (4, 'dog')",
        "INSERT INTO bird (id) VALUES (2)",
    )
    base = models(more=True)
    senders = []
    for signal in ("pre_update", "post_update"):
        base.meta.signals[signal].connect(
            lambda sender, instance: senders.append((sender.__name__, instance.id)), weak=False
        )
    shop.migrate(base, ":name", "Bird.wings")
    shop.upgrade(base)
    assert shop.query("SELECT name FROM animal ORDER BY id") == [("nameless",)] * 4
    assert shop.query("SELECT wings FROM bird") == [(2,)]
    assert sorted(senders[:8]) == sorted([("Dog", 1), ("Bird", 2), ("Animal", 3), ("Dog", 4)] * 2)
    assert senders[8:] == [("Bird", 2)] * 2


def test_after_commit_receivers_wait_for_their_chunk(shop) -> None:
    base, _ = users(shop)
    shop.begin(base)
    shop.query(THREE)
    base, User = users(shop, email=mapped_column(default="mail"))
    seen = []

    @base.meta.signals.post_update.connect_via(User, after_commit=True)
    async def after(sender, instance) -> None:
        seen.append((instance.name, shop.query("SELECT count(*) FROM |user| WHERE email IS NOT NULL")))

    text = shop.migrate(base, "User.email")
    (path,) = shop.folder.glob("migrations/versions/b2_*.py")
    path.write_text(text.replace("model='User'", "model='User', batch_size=2"))
    shop.upgrade(base)
    assert seen == [("Ada", [(2,)]), ("Bob", [(2,)]), ("Eve", [(3,)])]


def test_receivers_own_queries_are_in_the_chunks_transaction(shop) -> None:
    def models(*, more: bool):
        base = shop.base()

        class User(base):
            __tablename__ = "user"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str]
            if more:
                email: Mapped[str] = mapped_column(default="mail")

        class Log(base):
            __tablename__ = "log"
            id: Mapped[int] = mapped_column(primary_key=True)
            text: Mapped[str]

        return base, User, Log

    base, _, _ = models(more=False)
    shop.begin(base)
    shop.query(THREE)
    base, User, Log = models(more=True)

    @base.meta.signals.post_update.connect_via(User)
    async def after(sender, instance) -> None:
        await Log.query.create(text=f"filled {instance.name}")
        if instance.name == "Eve" and fails:
            raise RuntimeError("no")

    text = shop.migrate(base, "User.email")
    (path,) = shop.folder.glob("migrations/versions/b2_*.py")
    path.write_text(text.replace("model='User'", "model='User', batch_size=2"))
    fails = True
    with pytest.raises(RuntimeError, match="no"):
        shop.upgrade(base)
    assert shop.query("SELECT text FROM log ORDER BY id") == [("filled Ada",), ("filled Bob",)]
    assert shop.query("SELECT email FROM |user| ORDER BY id") == [("mail",), ("mail",), (None,)]
    fails = False
    shop.upgrade(base)
    assert shop.query("SELECT text FROM log ORDER BY id") == [("filled Ada",), ("filled Bob",), ("filled Eve",)]


def test_column_that_is_there_and_nullable_is_filled_too(shop) -> None:
    base, _ = users(shop, email=mapped_column(nullable=True))
    shop.begin(base)
    shop.query(THREE, "UPDATE |user| SET email = 'kept' WHERE id = 4")
    base, _ = users(shop, email=mapped_column(default="mail"))
    text = shop.migrate(base, "User.email")
    assert "add_column_once(" not in text
    shop.upgrade(base)
    assert shop.query("SELECT email FROM |user| ORDER BY id") == [("mail",), ("kept",), ("mail",)]
    assert nullable(shop.plain, "user")["email"] is False


def test_sql_mode_writes_what_fills(shop) -> None:
    base, _ = users(shop)
    shop.begin(base)
    base, _ = users(shop, email=mapped_column(default="ma'il"), phone=mapped_column(default=lambda: "made"))
    shop.migrate(base, "User.email", "User.phone")
    shop.config.attributes["metadata"] = base.metadata
    if "async" in shop.config.get_main_option("sqlalchemy.url") or "aiosqlite" in shop.config.get_main_option(
        "sqlalchemy.url"
    ):
        pytest.skip("the async env.py here has no offline mode")
    shop.config.output_buffer = io.StringIO()
    migrations.upgrade(shop.config, "a1:b2", sql=True)
    sql = shop.config.output_buffer.getvalue()
    assert "SET email='ma''il' WHERE" in sql
    assert "-- fill user.phone here: its default is made in Python" in sql
    assert ("stays nullable" if shop.plain.startswith("sqlite") else "NOT NULL") in sql
    assert tables_in(shop.plain) == {"alembic_version", "user"}
    assert nullable(shop.plain, "user") == {"id": False, "name": False}


async def test_in_a_transaction_of_the_callers_it_is_all_or_nothing(databases, tmp_path) -> None:
    shop = await asyncio.to_thread(Shop, databases, tmp_path, True)
    base, _ = users(shop)
    await asyncio.to_thread(shop.begin, base)
    await asyncio.to_thread(shop.query, THREE)
    base, _User = users(shop, email=mapped_column(default="mail"))
    await asyncio.to_thread(shop.migrate, base, "User.email")
    names = []
    base.meta.signals.post_update.connect(lambda sender, instance: names.append(instance.name), weak=False)
    engine = create_async_engine(shop.async_)
    async with engine.connect() as connection:
        begun = await connection.begin()
        if connection.dialect.name == "sqlite":
            await connection.exec_driver_sql("BEGIN")
        shop.config.attributes["connection"] = connection.sync_connection
        await migrations.aupgrade(shop.config, "head")
        assert names == ["Ada", "Bob", "Eve"]
        table = sa.table("user", sa.column("email"))
        assert (await connection.scalars(sa.select(table.c.email))).all() == ["mail"] * 3
        await begun.rollback()
    await engine.dispose()
    rolled_back = not shop.plain.startswith("mariadb")  # whose DDL commits
    found = await asyncio.to_thread(nullable, shop.plain, "user")
    assert ("email" not in found) is rolled_back


def test_sqlite_keeps_what_hangs_on_a_table_that_it_copies(sqlite_shop) -> None:
    shop = sqlite_shop

    def models(*, more: bool):
        base = shop.base()

        class User(base):
            __tablename__ = "user"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str]
            if more:
                email: Mapped[str] = mapped_column(default="mail")
            __table_args__ = (sa.CheckConstraint("name <> ''", name="named"),)

        class Post(base):
            __tablename__ = "post"
            id: Mapped[int] = mapped_column(primary_key=True)
            user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))

        return base

    base = models(more=False)
    shop.begin(base)
    shop.query(THREE, "INSERT INTO post (user_id) VALUES (2), (7)")
    base = models(more=True)
    shop.migrate(base, "User.email")
    shop.query(
        "CREATE INDEX by_lower ON |user| (lower(name))",
        "CREATE TABLE audit (name TEXT)",
        "CREATE TRIGGER audited AFTER UPDATE ON |user| BEGIN INSERT INTO audit VALUES (new.name); END",
    )

    def enforce(connection, _record) -> None:
        connection.execute("PRAGMA foreign_keys=ON")

    shop.config.attributes["listen"] = lambda engine: event.listen(engine, "connect", enforce)
    shop.upgrade(base)
    assert nullable(shop.plain, "user")["email"] is False
    assert shop.query("SELECT user_id FROM post ORDER BY user_id") == [(2,), (7,)]
    assert shop.query("SELECT count(*) FROM audit") == [(3,)]
    assert {"by_lower", "audited"} <= {name for (name,) in shop.query("SELECT name FROM sqlite_master")}
    with pytest.raises(sa.exc.IntegrityError, match="CHECK constraint failed"):
        shop.query("INSERT INTO |user| (name, email) VALUES ('', 'x')")
    shop.query("UPDATE |user| SET name = 'Adele' WHERE id = 2")
    assert shop.query("SELECT count(*) FROM audit") == [(4,)]


def test_sqlite_copy_that_fails_leaves_the_table(sqlite_shop) -> None:
    shop = sqlite_shop
    base, _ = users(shop)
    shop.begin(base)
    shop.query(THREE)
    base, _ = users(shop, email=mapped_column(default="mail"))
    shop.migrate(base, "User.email")

    def fail(_connection, _cursor, statement, *_rest) -> None:
        if statement.startswith("ALTER TABLE _alembic_tmp_user RENAME"):
            raise KeyError("power")

    shop.config.attributes["listen"] = lambda engine: event.listen(engine, "before_cursor_execute", fail)
    with pytest.raises(KeyError, match="power"):
        shop.upgrade(base)
    del shop.config.attributes["listen"]
    assert tables_in(shop.plain) == {"alembic_version", "user"}
    assert shop.query("SELECT email FROM |user|") == [("mail",)] * 3
    shop.upgrade(base)
    assert nullable(shop.plain, "user")["email"] is False


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("Usr.email", r"no model is called 'Usr'. Did you mean 'User'\?"),
        ("User.emial", r"User has no column 'emial'. Did you mean 'email'\?"),
        (":nothing", r"the models have no column 'nothing'"),
        ("email", r"give 'Model\.field', or ':field' for every model that has it"),
        ("User.", r"give 'Model\.field'"),
        ("User.name", r"null field 'User\.name': there is nothing to fill\. Its column is there and NOT NULL already"),
        ("User.note", r"there is nothing to fill\..*or the model allows NULL"),
        ("User.state", r"or the column has a server default, which fills it"),
    ],
)
def test_null_field_that_cannot_be_is_refused_and_nothing_written(sqlite_shop, named, message) -> None:
    shop = sqlite_shop
    base, _ = users(shop)
    shop.begin(base)
    base, _ = users(
        shop,
        email=mapped_column(default="mail"),
        note=mapped_column(nullable=True),
        state=mapped_column(server_default="new"),
    )
    with pytest.raises(CommandError, match=message):
        shop.migrate(base, named)
    assert [path.name for path in shop.folder.glob("migrations/versions/*.py")] == ["a1_.py"]


def test_two_models_of_one_name_are_told_apart_by_their_modules(sqlite_shop) -> None:
    base, User = users(sqlite_shop, email=mapped_column(default="mail"))
    other = type(
        "User",
        (base,),
        {
            "__tablename__": "other",
            "__module__": "elsewhere",
            "__annotations__": {"id": Mapped[int], "email": Mapped[str]},
            "id": mapped_column(primary_key=True),
            "email": mapped_column(default="other"),
        },
    )
    first = users(sqlite_shop)[0]
    sqlite_shop.begin(first)
    sqlite_shop.query("CREATE TABLE other (id INTEGER NOT NULL PRIMARY KEY)", "INSERT INTO other VALUES (5)")
    with pytest.raises(CommandError, match=r"several models are called 'User'. Give one of: elsewhere\.User\.email, "):
        sqlite_shop.migrate(base, "User.email")
    text = sqlite_shop.migrate(base, f"{other.__module__}.User.email", ":email")
    assert "op.fill_null_fields('other', ['email'], model='User')" in text
    assert "op.fill_null_fields('user', ['email'], model='User')" in text
    sqlite_shop.upgrade(base)
    assert sqlite_shop.query("SELECT email FROM other") == [("other",)]
    assert User.__table__.name == "user"


async def test_applied_by_hand(databases, tmp_path) -> None:
    shop = await asyncio.to_thread(Shop, databases, tmp_path, True)
    base = shop.base()

    class Lamp(base):
        __qualname__ = f"Lamp_{uuid.uuid4().hex}"  # those of other runs of this test are other classes
        __tablename__ = "lamp"
        id: Mapped[int] = mapped_column(primary_key=True)
        colour: Mapped[str | None]
        watts: Mapped[int | None] = mapped_column(default=40)

    seen, progress = [], []
    base.meta.signals.post_update.connect(
        lambda sender, instance, is_migration: seen.append((instance.id, is_migration)), weak=False
    )
    async with base.database as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(base.metadata.create_all)
        rows = [
            Lamp(id=number, colour="red" if number % 2 else None, watts=60 if number == 4 else None)
            for number in range(1, 6)
        ]
        await Lamp.query.bulk_create(rows)
        async with database.engine.begin() as connection:
            await connection.execute(sa.update(Lamp.__table__).where(Lamp.__table__.c.id != 4).values(watts=None))
        name = f"{Lamp.__module__}.{Lamp.__qualname__}"
        filled = await apply_default_force_nullable_fields(
            [f"{name}.colour", f"{name}.watts"],
            model_defaults={"Lamp": {"colour": lambda lamp: f"white {lamp.id}"}},
            batch_size=2,
            progress=lambda done, total: progress.append((done, total)),
        )
        assert filled == 5
        assert progress == [(2, 5), (4, 5), (5, 5)]
        assert seen == [(number, True) for number in range(1, 6)]
        found = [(lamp.colour, lamp.watts) for lamp in await Lamp.query.order_by(Lamp.id).all()]
        assert found == [("red", 40), ("white 2", 40), ("red", 40), ("white 4", 60), ("red", 40)]
        assert await apply_default_force_nullable_fields([f"{name}.colour"], using=database) == 0
        with pytest.raises(ValueError, match="batch_size is 0"):
            await apply_default_force_nullable_fields([f"{name}.colour"], batch_size=0)
        with pytest.raises(CommandError, match="no model is called 'Nobody'"):
            await apply_default_force_nullable_fields(["Nobody.colour"])
        async with database.engine.begin() as connection:
            await connection.run_sync(base.metadata.drop_all)
