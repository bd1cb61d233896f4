"""Receivers, signals and queries for type checkers: each line that is wrong says so, and has to.

``make lint`` checks it with mypy and pyright, which both complain of an ignored error that is none. Nothing is run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_type

from sqlalchemy import Table
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import aldis
from aldis.signals import (
    PostRelationAddReceiver,
    PostSaveReceiver,
    PreDeleteReceiver,
    post_delete,
    post_relation_add,
    post_save,
    pre_bulk,
    pre_relation_remove,
    pre_save,
)


class Base(aldis.Model, DeclarativeBase):
    database = aldis.Database("sqlite+aiosqlite://")


class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Post(Base):
    __tablename__ = "post"
    id: Mapped[int] = mapped_column(primary_key=True)


# Receivers as they are connected.


@post_save.connect_via(User)
async def takes_all(sender: type[User], instance: User, **kwargs: Any) -> None: ...


@post_save.connect_via(User)
async def names_two(sender: type[User], model_instance: User, is_update: bool) -> str:
    return model_instance.name


@post_save.connect_via(User)
def names_more(sender: type[User], values: Mapping[str, Any], is_update: bool, row_count: int | None) -> None: ...


@post_save.connect_via(aldis.ANY, weak=True, after_commit=True, priority=3)
def names_none(sender: object) -> None: ...


@post_save.connect_via(User, after_rollback=True)
async def waits_for_a_rollback(sender: type[User], instance: User) -> None: ...


@post_save.connect_via(User, after_commit=True, after_rollback=True)
async def told_how_it_ended(sender: type[User], instance: User, committed: bool) -> None: ...


@post_save.connect_via(User, after_commit=True, after_rollback=True, batched=True)
async def told_of_many(sender: type[User], batch: aldis.Batch, committed: bool) -> None: ...


@post_save.connect_via(User, after_rollback=True)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
async def told_of_one_end_only(sender: type[User], committed: bool) -> None: ...


@pre_save.connect
def without_annotations(sender, column_values, **kwargs):  # type: ignore[no-untyped-def]
    ...


@post_save.connect_via(User, batched=True)
async def batched(sender: type[User], batch: aldis.Batch) -> None:
    batch.column("instance")


@post_delete.connect_via(User, rows=True)
async def hears_each_row(sender: type[User], instance: User, operation_skipped: bool) -> None: ...


post_save.connect(batched, User, batched=True, rows=True)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


@post_save.connect_via(User)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
async def misspelt(sender: type[User], instanse: User, **kwargs: Any) -> None: ...


@post_save.connect_via(User)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
def misspelt_alone(sender: type[User], is_updated: bool) -> None: ...


@post_save.connect_via(User)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
def of_another_type(sender: type[User], is_update: str, **kwargs: Any) -> None: ...


@post_delete.connect_via(User)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
def of_another_signal(sender: type[User], is_update: bool) -> None: ...


@post_save.connect_via(User)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
def misspelt_among_three(sender: type[User], instanse: User, values: Mapping[str, Any], is_update: bool) -> None: ...


@pre_bulk.connect_via(User)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
def no_place_for_the_sender(*, instance: User) -> None: ...


@post_save.connect_via(User, batched=True)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
def not_batched(sender: type[User], instance: User) -> None: ...


@post_save.connect_via(User)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
def batched_unsaid(sender: type[User], batch: aldis.Batch) -> None: ...


@post_relation_add.connect_via(User)
async def linked(sender: type[User], instance: User, relation: str, related: list[Any] | None) -> None: ...


@pre_relation_remove.connect_via(User, batched=True)
def unlinked_at_once(sender: type[User], batch: aldis.Batch) -> None: ...


@pre_relation_remove.connect_via(User)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
def told_too_early(sender: type[User], row_count: int | None) -> None: ...


def all_of_a_relation(
    sender: type[User],
    /,
    *,
    instance: User,
    relation: str,
    related: list[Any] | None,
    secondary: Table,
    row_count: int | None,
    operation_skipped: bool,
) -> None: ...


of_a_relation: PostRelationAddReceiver[User] = all_of_a_relation

# A decorated receiver keeps its type.

assert_type(names_none(User), None)


async def calls_it() -> None:
    assert_type(await names_two(User, User(), is_update=True), str)
    await names_two(User)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


# Receivers that declare their types.


async def welcome(sender: type[User], model_instance: User, **kwargs: Any) -> None: ...


def of_posts(sender: type[Post], model_instance: Post, **kwargs: Any) -> None: ...


def keeps(
    sender: type[User], instance: User, model_instance: User | None, injected_filters: list[Any] | None
) -> None: ...


saved: PostSaveReceiver[User] = welcome
deleted: PreDeleteReceiver[User] = keeps
wrong_model: PostSaveReceiver[User] = of_posts  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
wrong_name: PostSaveReceiver[User] = misspelt  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


# Signals of one's own.


@aldis.Signal.of
def paid(sender: str, *, amount: int, currency: str = "EUR") -> None:
    """An order was paid."""


paid.send("shop", amount=5)
paid.send("shop", amount=5, currency="SEK")
paid.send("shop", amuont=5)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
paid.send("shop", amount="5")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
aldis.signal("anything").send("shop", whatever=5)
aldis.Signal().send("shop", _async_wrapper=lambda receiver: receiver, whatever=5)


def in_a_signature(signal: aldis.Signal[[int]]) -> None:
    signal.send("shop", 5)  # what one without names would take: typed, but aldis sends by keyword


# Queries.


async def queries() -> None:
    assert_type(User.query, aldis.QuerySet[User])
    assert_type(await User.query.get(id=1), User)
    assert_type(await User.query.get_or_none(id=1), User | None)
    assert_type(await User.query.filter(User.name == "Ada").all(), list[User])
    assert_type(await User.query.create(name="Ada"), User)
    assert_type(await User.query.update_or_create(name="Ada", defaults={}), tuple[User, bool])
    async for user in User.query.order_by(User.name):
        assert_type(user, User)
    ada = await User.query.get(id=1)
    assert_type(await ada.relation("friends").add(ada, ignore_conflicts=True), int)
    async for friend in ada.relation("friends"):
        assert_type(friend, Any)
    await User.query.create(name="Ada", naem="")  # names of attributes are checked when it runs
    User.query.fliter()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
