"""Rows of a bulk method that a flush of others, which they are linked with, inserts along: once, with their signals."""

from __future__ import annotations

import gc
from typing import ClassVar

import pytest
from sqlalchemy import Column, ForeignKey, String, Table, func, inspect, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

import aldis
from aldis.signals import post_bulk, post_save, post_update, pre_update


class Refused(Exception):
    """Raised by a receiver."""


class Base(aldis.Model, DeclarativeBase):
    pass


class Team(Base):
    __tablename__ = "team"
    id: Mapped[int] = mapped_column(primary_key=True)
    members: Mapped[list[Member]] = relationship(back_populates="team")


befriended = Table(
    "befriended",
    Base.metadata,
    Column("member_id", ForeignKey("member.id"), primary_key=True),
    Column("friend_id", ForeignKey("member.id"), primary_key=True),
)


class Member(Base):
    __tablename__ = "member"
    __mapper_args__: ClassVar = {"polymorphic_on": "kind", "polymorphic_identity": "member"}
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    name: Mapped[str] = mapped_column(String(20), unique=True)
    team_id: Mapped[int | None] = mapped_column(ForeignKey("team.id"))
    team: Mapped[Team | None] = relationship(back_populates="members")
    mentor_id: Mapped[int | None] = mapped_column(ForeignKey("member.id"))
    mentor: Mapped[Member | None] = relationship(remote_side="Member.id")
    friends: Mapped[list[Member]] = relationship(
        secondary=befriended,
        primaryjoin="Member.id == befriended.c.member_id",
        secondaryjoin="Member.id == befriended.c.friend_id",
    )


class Captain(Member):
    __mapper_args__: ClassVar = {"polymorphic_identity": "captain"}


def of_one_team(count: int) -> tuple[Team, list[Member]]:
    team = Team()
    return team, [(Captain if number % 3 else Member)(name=f"{number}", team=team) for number in range(count)]


async def save_all(call: str, members: list[Member]) -> list[Member]:
    if call == "stream":
        async with Member.query.bulk_create_stream(members, batch_size=3) as batches:
            return [member async for batch in batches for member in batch]
    if call == "bulk_create":
        return await Member.query.bulk_create(members, batch_size=3)
    return await getattr(Member.query, call)(members, unique_fields=["name"])


@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize("call", ["bulk_create", "stream", "bulk_get_or_create", "bulk_update_or_create"])
async def test_members_of_one_team_are_each_inserted_once(database, call, is_new) -> None:
    team, members = of_one_team(8)
    if not is_new:
        team.members.clear()
        await team.save()
        team.members = members
    heard, counted = [], []

    async def hear(sender, model_instance):
        heard.append(model_instance.name)

    async def count(sender, row_count_create):
        counted.append(row_count_create)

    with (
        post_save.connected_to(hear, Member),
        post_save.connected_to(hear, Captain),
        post_bulk.connected_to(count, Member),
    ):
        saved = await save_all(call, members)
    assert saved == members
    assert sorted(heard) == sorted(member.name for member in members)
    assert counted == [8]
    assert {inspect(member).modified for member in members} == {False}
    async with database.engine.connect() as connection:
        rows = (await connection.execute(select(Member.__table__.c.name, Member.__table__.c.team_id))).all()
    assert sorted(rows) == sorted((member.name, team.id) for member in members)


@pytest.mark.parametrize("call", ["bulk_create", "stream", "bulk_get_or_create"])
async def test_all_are_new_again_where_the_last_one_is_refused(database, call) -> None:
    team, members = of_one_team(8)
    members.append(Member(name="last"))

    async def refuse(sender, model_instance):
        if model_instance.name == "last":
            raise Refused

    with post_save.connected_to(refuse, Member), pytest.raises(Refused):
        await save_all(call, members)
    gc.collect()
    assert {inspect(each).key for each in (team, *members)} == {None}
    assert team.members == members[:-1]
    async with database.engine.connect() as connection:
        assert await connection.scalar(select(func.count()).select_from(Member.__table__)) == 0
    assert await save_all(call, members) == members
    async with database.engine.connect() as connection:
        assert await connection.scalar(select(func.count()).select_from(Member.__table__)) == 9


async def test_a_row_that_is_given_twice_is_refused(database) -> None:
    team, members = of_one_team(4)
    with pytest.raises(aldis.AlreadyStoredError, match="row 7"):
        await Member.query.bulk_create([*members, Member(name="5"), Member(name="6"), members[3]], batch_size=2)
    assert {inspect(each).key for each in (team, *members)} == {None}


async def test_a_row_that_was_stored_before_is_refused_as_before(database) -> None:
    team, members = of_one_team(4)
    await members[3].save()
    with pytest.raises(aldis.AlreadyStoredError, match="row 1"):
        await Member.query.bulk_create(members)
    assert len(team.members) == 4


async def test_skipped_update_is_not_written_by_the_flush_of_the_others(database) -> None:
    team, members = Team(members=[]), [Member(name=f"{number}", friends=[]) for number in range(4)]
    await team.save()
    await Member.query.bulk_create(members)
    for number, member in enumerate(members):
        member.name = f"new {number}"
    members[0].mentor = members[2]
    members[1].friends = [members[2]]
    members[3].team = team
    told = []

    async def skip(sender, model_instance):
        if model_instance is members[2]:
            raise aldis.SkipOperation

    async def tell(sender, model_instance, row_count, operation_skipped):
        told.append((members.index(model_instance), row_count, operation_skipped))

    with pre_update.connected_to(skip, Member), post_update.connected_to(tell, Member):
        await Member.query.bulk_update(members)
    assert told == [(0, 1, False), (1, 1, False), (2, 0, True), (3, 1, False)]
    table = Member.__table__.c
    async with database.engine.connect() as connection:
        rows = (await connection.execute(select(table.name, table.mentor_id, table.team_id).order_by(table.id))).all()
        pairs = (await connection.execute(select(befriended))).all()
    assert rows == [("new 0", members[2].id, None), ("new 1", None, None), ("2", None, None), ("new 3", None, team.id)]
    assert pairs == [(members[1].id, members[2].id)]  # others' links to the skipped row are theirs
    assert [inspect(member).modified for member in members] == [False, False, True, False]
    await members[2].save()
    async with database.engine.connect() as connection:
        assert await connection.scalar(select(table.name).where(table.id == members[2].id)) == "new 2"


@pytest.mark.parametrize("is_linked", [False, True])
async def test_skipped_update_to_the_old_value_leaves_the_instance_modified(database, is_linked) -> None:
    """So does a session: until it flushes an instance, it does not find out that the value is the old one."""
    skipped, other = await Member.query.bulk_create([Member(name="0"), Member(name="1")])
    skipped.name = "0"
    other.name = Member.name + "!"  # needs the unit of work
    if is_linked:
        other.mentor = skipped

    async def skip(sender, model_instance):
        if model_instance is skipped:
            raise aldis.SkipOperation

    with pre_update.connected_to(skip, Member):
        await Member.query.bulk_update([skipped, other])
    assert [inspect(each).modified for each in (skipped, other)] == [True, False]
    assert [each.name for each in (skipped, other)] == ["0", "1!"]


@pytest.mark.parametrize("refused_by", ["a later batch", "the block"])
async def test_row_that_came_along_in_an_earlier_batch_is_new_again(database, refused_by) -> None:
    members = [Member(name=f"{number}") for number in range(3)]
    members[1].mentor = members[0]
    members[0].team = team = Team(members=members[:1])
    team.members.append(members[1])
    before = [{**vars(each), "_sa_instance_state": None} for each in members]

    async def refuse(sender, model_instance):
        if refused_by == "a later batch" and model_instance is members[2]:
            raise Refused

    with post_save.connected_to(refuse, Member), pytest.raises(Refused):
        async with database.transaction():
            await Member.query.bulk_create(members, batch_size=1)
            raise Refused
    assert [{**vars(each), "_sa_instance_state": None} for each in members] == before
    await Member.query.create(name="another")  # takes the key that one of them had
    assert await Member.query.bulk_create(members, batch_size=1) == members


@pytest.mark.parametrize("given", [list, iter])
async def test_conflicting_row_of_another_class_takes_none_with_it(database, given) -> None:
    await Member.query.create(name="b")
    team = Team()
    members = [Member(name="a", team=team), Captain(name="b", team=team), Member(name="c", team=team)]
    saved = await Member.query.bulk_create(given(members), ignore_conflicts=True)
    assert [member.name for member in saved] == ["a", "c"]
    async with database.engine.connect() as connection:
        rows = (await connection.execute(select(Member.__table__.c.name, Member.__table__.c.team_id))).all()
    assert sorted(rows) == [("a", team.id), ("b", None), ("c", team.id)]
