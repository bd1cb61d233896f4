"""A many-to-many through a mapped class: its rows fire that class's own signals, too."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import pytest_asyncio
from sqlalchemy import ForeignKey, String, create_engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, selectinload
from sqlalchemy.orm.exc import FlushError

import aldis
from aldis.signals import LIFECYCLE

MADE = set()


def models_of(url=None):
    """Make users and groups, linked by memberships."""

    class Base(aldis.Model, DeclarativeBase):
        type_annotation_map = {str: String(50)}  # noqa: RUF012

    if url is not None:
        Base.database = aldis.Database(url)
    for signal in LIFECYCLE:
        setattr(Base.meta.signals, signal.name, aldis.NamedSignal(signal.name))

    class User(Base):
        __tablename__ = "linked_user"
        id: Mapped[int] = mapped_column(primary_key=True)
        groups = relationship("Group", secondary="linked_membership", back_populates="users")

    class Group(Base):
        __tablename__ = "linked_group"
        id: Mapped[int] = mapped_column(primary_key=True)
        users = relationship("User", secondary="linked_membership", back_populates="groups")

    class Membership(Base):
        __tablename__ = "linked_membership"
        id: Mapped[int] = mapped_column(primary_key=True)
        user_id: Mapped[int] = mapped_column(ForeignKey("linked_user.id"))
        group_number: Mapped[int] = mapped_column("group_id", ForeignKey("linked_group.id"))
        role: Mapped[str] = mapped_column(default="member")
        state: Mapped[str] = mapped_column(server_default="new")

    return SimpleNamespace(Base=Base, User=User, Group=Group, Membership=Membership)


@pytest_asyncio.fixture
async def models(url):
    """Return the models, whose tables are empty."""
    found = models_of(url)
    found.database = found.Base.database
    async with found.database.engine.begin() as connection:
        if url not in MADE:
            await connection.run_sync(found.Base.metadata.create_all)
            MADE.add(url)
        for table in reversed(found.Base.metadata.sorted_tables):
            await connection.execute(table.delete())
    yield found
    await found.database.dispose()


def recorded(models):
    """Return the list of what is told of memberships from now on."""
    told = []

    def connect(name):
        def receiver(sender, instance, **kwargs):
            told.append((name, instance.user_id, instance.group_number, instance.role, kwargs.get("row_count")))

        models.Membership.meta.signals[name].connect(receiver, models.Membership, weak=False)

    for name in ("pre_save", "post_save", "pre_delete", "post_delete"):
        connect(name)
    return told


async def rows(models):
    return sorted([(each.user_id, each.group_number, each.role, each.state) for each in await models.Membership.query])


@pytest.mark.asyncio
async def test_relation_writes_instances_of_the_class(models) -> None:
    user = await models.User.query.create(id=1)
    groups = await models.Group.query.bulk_create([{"id": 5}, {"id": 6}])
    links = []
    models.User.meta.signals.post_relation_add.connect(
        lambda sender, related, row_count: links.append((related, row_count)), models.User, weak=False
    )

    @models.Membership.meta.signals.pre_save.connect_via(models.Membership, priority=1)
    def choose(sender, model_instance, column_values):
        if column_values["group_id"] == 5:
            column_values["role"] = "chair"

    told = []

    @models.Membership.meta.signals.post_save.connect_via(models.Membership)
    def note(sender, model_instance, column_values):
        told.append((model_instance.group_number, model_instance.role, column_values["state"], model_instance.id > 0))

    assert await user.relation("groups").add(*groups) == 2
    assert told == [(5, "chair", "new", True), (6, "member", "new", True)]
    assert links == [(groups, 2)]
    assert await rows(models) == [(1, 5, "chair", "new"), (1, 6, "member", "new")]


@pytest.mark.asyncio
async def test_skipped_rows_of_the_class_are_not_linked(models) -> None:
    user = await models.User.query.create(id=1)
    groups = await models.Group.query.bulk_create([{"id": 5}, {"id": 6}])
    links = []

    def note(sender, related, row_count):
        links.append((None if related is None else [each.id for each in related], row_count))

    models.User.meta.signals.post_relation_add.connect(note, models.User)
    models.User.meta.signals.post_relation_remove.connect(note, models.User)

    @models.Membership.meta.signals.pre_save.connect_via(models.Membership)
    def skip(sender, column_values):
        if column_values["group_id"] == 6:
            raise aldis.SkipOperation

    user = await models.User.query.options(selectinload(models.User.groups)).get(id=1)
    assert await user.relation("groups").add(*groups) == 1
    assert [group.id for group in user.groups] == [5]
    models.Membership.meta.signals.pre_save.disconnect(skip, models.Membership)
    await user.relation("groups").add(groups[1])

    @models.Membership.meta.signals.pre_delete.connect_via(models.Membership)
    def keep(sender, instance):
        if instance.group_number == 6:
            raise aldis.SkipOperation

    told = recorded(models)
    assert await user.relation("groups").remove(*groups) == 1
    assert [group.id for group in user.groups] == [6]
    assert await user.relation("groups").clear() == 0
    assert [group.id for group in user.groups] == [6]
    assert links == [([5], 1), ([6], 1), ([5], 1), (None, 0)]
    assert await rows(models) == [(1, 6, "member", "new")]
    assert ("post_delete", 1, 5, "member", 1) in told


@pytest.mark.asyncio
async def test_flush_tells_of_instances_of_the_class(models) -> None:
    told = recorded(models)

    @models.Membership.meta.signals.pre_save.connect_via(models.Membership, priority=1)
    def choose(sender, instance, column_values, changes):
        if column_values.get("group_id") == 6:
            assert changes["group_number"] == (None, 6)
            column_values["state"] = "chosen"
        instance.role = "chair"

    ids = []

    @models.Membership.meta.signals.post_save.connect_via(models.Membership)
    def note(sender, instance, column_values):
        ids.append((instance.id > 0, column_values["state"]))

    async with models.database.session(expire_on_commit=False) as session:
        old = models.Group(id=6)
        session.add(old)
        await session.flush()
        user = models.User(groups=[old, models.Group()])  # of which nobody knows the number yet
        session.add(user)
        await session.commit()
        number, groups = user.id, [group.id for group in user.groups]
        assert told == [
            ("pre_save", None, 6, "chair", None),
            ("pre_save", None, None, "chair", None),
            ("post_save", number, 6, "chair", 1),
            ("post_save", number, groups[1], "chair", 1),
        ]
        assert ids == [(True, "chosen"), (True, "new")]
        assert await rows(models) == sorted([(number, 6, "chair", "chosen"), (number, groups[1], "chair", "new")])
        told.clear()
        user.groups.remove(old)
        await session.commit()
        assert told == [("pre_delete", number, 6, "chair", None), ("post_delete", number, 6, "chair", 1)]
        told.clear()
        await session.delete(user)
        await session.commit()
        assert [name for name, *_ in told] == ["pre_delete", "post_delete"]
        assert not any(isinstance(each, models.Membership) for each in session)
    assert await rows(models) == []


@pytest.mark.asyncio
async def test_skipped_rows_of_the_class_leave_the_collections(models) -> None:
    async with models.database.session(expire_on_commit=False) as session:
        groups = [models.Group(id=number) for number in (5, 6)]
        user = models.User(id=1, groups=[groups[0]])
        session.add_all([user, *groups])
        await session.commit()

        def skip(sender):
            raise aldis.SkipOperation

        models.Membership.meta.signals.pre_save.connect(skip, models.Membership)
        models.Membership.meta.signals.pre_delete.connect(skip, models.Membership)
        user.groups = [groups[1]]
        await session.commit()
        assert user.groups == [groups[0]]
    assert await rows(models) == [(1, 5, "member", "new")]


@pytest.mark.asyncio
async def test_flush_that_fails_listens_no_more(models) -> None:
    models.Membership.meta.signals.pre_save.connect(lambda sender: None, models.Membership, weak=False)
    async with models.database.engine.connect() as connection:
        async with AsyncSession(bind=connection) as session:
            session.add_all([models.User(id=1, groups=[models.Group(id=5)]), models.User(id=1)])
            with pytest.raises((IntegrityError, FlushError)):
                await session.commit()
        assert not connection.sync_connection.dispatch.before_execute


def test_plain_session(tmp_path) -> None:
    models = models_of()
    told = recorded(models)
    engine = create_engine(f"sqlite:///{tmp_path}/test.db")
    models.Base.metadata.create_all(engine)
    with Session(engine) as session:
        user = models.User(id=1, groups=[models.Group(id=5)])
        session.add(user)
        session.commit()
        user.groups.clear()
        session.commit()
    engine.dispose()
    assert told == [
        ("pre_save", 1, 5, None, None),
        ("post_save", 1, 5, "member", 1),
        ("pre_delete", 1, 5, "member", None),
        ("post_delete", 1, 5, "member", 1),
    ]
