"""The calls that are judged: as aldis makes each, and as a plain session of SQLAlchemy does the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .outcomes import Play
    from .pairs import Spec

__all__ = ["CALLS", "Call"]


@dataclass(frozen=True)
class Call:
    """A call on rows."""

    name: str
    ours: Callable[[Play], Awaitable[object]]
    theirs: Callable[[Play], Awaitable[object]]
    is_of_stored: bool = False
    """The rows are stored already."""
    is_one_by_one: bool = False
    """It is made once for each row."""
    only: Callable[[Spec], bool] = lambda spec: True

    def fits(self, spec: Spec) -> bool:
        return self.only(spec)


async def create(play: Play) -> None:
    for tag in play.tags:
        created = await play.model(tag).query.create(**play.values(tag))
        if created is not None:
            play.instances[tag] = created


async def save(play: Play) -> None:
    for tag in play.tags:
        await play.new(tag).save()


def in_batches(play: Play) -> dict[str, Any]:
    return {} if play.example.batch_size is None else {"batch_size": play.example.batch_size}


async def bulk_create(play: Play) -> None:
    await play.side.base.query.bulk_create([play.new(tag) for tag in play.tags], **in_batches(play))


async def add_each(play: Play) -> None:
    for tag in play.tags:
        await play.add([play.new(tag)])


async def add_all(play: Play) -> None:
    await play.add([play.new(tag) for tag in play.tags])


CALLS = {
    call.name: call
    for call in [
        Call("create", create, add_each, is_one_by_one=True),
        Call("save", save, add_each, is_one_by_one=True),
        Call("bulk_create", bulk_create, add_all),
    ]
}
