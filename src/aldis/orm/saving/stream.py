"""``bulk_create_stream``: a load of any size, handed over batch by batch, in constant memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import IntegrityError

from ...context import current
from ...errors import ConfigurationError
from ...progress import Progress, following
from ..database import Database
from ..meta import meta_of
from ..transactions.ambient import open_transaction
from ..transactions.rollback import RollbackScope
from .columns import saved_in_order
from .firing import fire
from .operation import Bulk
from .raw_values import Rows, batches, readable_twice
from .unit_of_work import UNDER_WAY, wait_for_flushes

if TYPE_CHECKING:
    from ..database import Using
    from ..queryset import QuerySet
    from ..transactions.savepoints import Transaction

__all__ = ["bulk_create_stream"]


def bulk_create_stream(
    queryset: QuerySet[Any],
    rows: Rows,
    batch_size: int,
    commit_every: int | None,
    ignore_conflicts: bool,
    progress: Progress,
    using: Using | None,
) -> AbstractAsyncContextManager[AsyncIterator[list[Any]]]:
    """Return the context manager of a stream; see ``QuerySet.bulk_create_stream``."""
    bulk = Bulk(queryset, "bulk_create", batch_size, ignore_conflicts=ignore_conflicts, progress=progress)
    if commit_every is not None and commit_every < 1:
        raise ValueError(f"commit_every is {commit_every}; it takes a number of rows, from 1.")
    return Stream(bulk, rows, commit_every, using).opened()


class Stream:
    """One load, with the counts of rows that were read, saved and committed.

    A context manager around the iterator, since the transaction is ambient: an iterator alone, left by ``break``, would
    keep it open for all statements after it.
    """

    def __init__(self, bulk: Bulk, rows: Rows, commit_every: int | None, using: Using | None) -> None:
        self.bulk = bulk
        self.rows = rows
        self.commit_every = commit_every
        self.using = using
        self.read = 0
        self.committed = 0
        self.is_left = False
        """The caller has left the block, and wants no more."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[AsyncIterator[list[Any]]]:
        """Run the load while the caller takes the batches."""
        if self.commit_every is not None:
            self.refuse_transaction()
        saved = self.saved()
        try:
            async with aclosing(saved):
                try:
                    yield saved
                except BaseException as error:
                    await thrown_into(saved, error)
                    raise
                self.is_left = True
                async for _ in saved:
                    pass  # its end: the signal after, and the commit
        except Exception as error:
            if self.commit_every is not None:
                error.rows_committed = self.committed  # type: ignore[attr-defined]
                error.add_note(
                    f"aldis: {self.committed} rows were committed before; go on with row {self.committed + 1:,}"
                )
            raise

    def refuse_transaction(self) -> None:
        """Refuse to commit a transaction that somebody else has begun.

        Raises:
            ConfigurationError: A transaction is open.
        """
        target = meta_of(self.bulk.model).database if self.using is None else self.using
        if not isinstance(target, Database) or open_transaction(target) is not None:
            raise ConfigurationError(
                f"commit_every is {self.commit_every}, and the transaction that is open is not bulk_create_stream's to "
                "commit: leave commit_every out, or open the stream outside of the transaction."
            )

    async def saved(self) -> AsyncGenerator[list[Any], None]:
        """Save the rows between the bulk signals; yield each batch."""
        bulk = self.bulk
        raw_values = readable_twice(self.rows)
        told = bulk.told_of(raw_values)
        source = batches(raw_values, bulk.batch_size)
        is_first, is_last, skipped = True, False, False
        with following(bulk.progress, self.rows, bulk.name) as tell:
            while not is_last:
                scope = RollbackScope(changes=bulk)
                async with meta_of(bulk.model).operation(self.using, scope) as transaction:
                    if is_first:
                        is_first = False
                        is_last = skipped = await self.fire("pre_bulk", *told)
                    begin = self.read
                    while not is_last and not self.is_full(begin):
                        batch = [] if self.is_left else await anext(source, [])
                        is_last = not batch
                        if batch:
                            yield await self.save(transaction, batch, scope)
                            tell(self.read)
                    if is_last:
                        await self.fire("post_bulk", *told, bulk.created, bulk.updated, skipped)
                self.committed = self.read

    async def fire(self, name: str, *told: Any) -> bool:
        """Fire a bulk signal; return whether a receiver asked to skip the operation."""
        with current(self.bulk.queryset, None, None):
            return await fire(self.bulk.signals, name, self.bulk.model, *told)

    def is_full(self, begin: int) -> bool:
        """Tell whether the transaction that began with a row has as many as it is to have."""
        return self.commit_every is not None and self.read - begin >= self.commit_every

    async def save(self, transaction: Transaction, batch: list[Any], scope: RollbackScope) -> list[Any]:
        """Save a batch; return its instances, which nobody else keeps."""
        if UNDER_WAY:
            await wait_for_flushes(batch)
        new = self.bulk.take_all(batch, self.read)
        with current(self.bulk.queryset, None, None):
            for rows in new:
                try:
                    await self.bulk.create(transaction, rows)
                except IntegrityError as error:
                    rows.refuse_stored(error)
                    raise
        self.read += len(batch)
        saved = saved_in_order(new)
        self.bulk.let_go(scope)
        return saved


async def thrown_into(generator: AsyncGenerator[Any, None], error: BaseException) -> None:
    """Let an exception of the caller's undo the batch that the generator is writing."""
    try:
        await generator.athrow(error)
    except StopAsyncIteration:
        pass  # it was over
    except BaseException as raised:
        if raised is not error:
            raise
