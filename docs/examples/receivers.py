"""Receivers, connected in every way: run it with ``python docs/examples/receivers.py``."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import aldis
from aldis.signals import post_delete, post_save, pre_save


class Base(aldis.Model, DeclarativeBase):
    database = aldis.Database("sqlite+aiosqlite:///:memory:")


class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str]
    is_verified: Mapped[bool] = mapped_column(default=False)


class Profile(Base):
    __tablename__ = "profile"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


said: list[str] = []


# A welcome mail: sent when the user is stored for good, not before.
@post_save.connect_via(User, after_commit=True, when=aldis.created)
async def send_welcome_mail(sender: type[User], model_instance: User) -> None:
    said.append(f"mail to {model_instance.email}")


# One receiver for two models.
@pre_save.connect_via(User)
@pre_save.connect_via(Profile)
async def announce(sender: type[Base], **kwargs: Any) -> None:
    said.append(f"saving a {sender.__name__}")


# Two receivers for one model run in the order in which they were connected.
@post_save.connect_via(Profile)
async def first(sender: type[Profile]) -> None:
    said.append("first")


@post_save.connect_via(Profile)
def second(sender: type[Profile], model_instance: Profile) -> None:  # a plain function does as well
    said.append(f"second: {model_instance.text}")


# A signal of one's own, for one model.
User.meta.signals.on_verify = aldis.Signal("A user has shown that the address is theirs.")


@User.meta.signals.on_verify.connect_via(User)
async def trust(sender: type[User], instance: User) -> None:
    await instance.update(is_verified=True)
    said.append(f"{instance.name} is verified")


# A lifecycle signal that is the model's own: the one in aldis.signals is not fired for it.
Profile.meta.signals.post_delete = aldis.Signal()


@post_delete.connect
async def never(sender: object) -> None:
    raise AssertionError("Profile has a signal of its own")


@Profile.meta.signals.post_delete.connect
async def rewired(sender: type[Profile], row_count: int) -> None:
    said.append(f"deleted {row_count} {sender.__name__}")


async def main() -> None:
    async with Base.database, Base.database.transaction() as connection:
        await connection.run_sync(Base.metadata.create_all)
        ada = await User.query.create(name="Ada", email="ada@example.org")
        said.append("not committed yet")
        await User.meta.signals.on_verify.send_async(User, instance=ada)
        profile = await Profile.query.create(text="hello")
        post_save.disconnect(first, Profile)
        await profile.save(values={"text": "bye"})
        await profile.delete()


EXPECTED = """\
saving a User
not committed yet
Ada is verified
saving a Profile
first
second: hello
saving a Profile
second: bye
deleted 1 Profile
mail to ada@example.org"""


if __name__ == "__main__":
    asyncio.run(main())
    print("\n".join(said))
    assert "\n".join(said) == EXPECTED
