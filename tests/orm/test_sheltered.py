"""A COMMIT that is sheltered from cancellations, without a database."""

from __future__ import annotations

import asyncio
import time
from contextvars import ContextVar

import pytest

from aldis.orm.transactions.sheltered import CheckedOut, OutcomeUnknown, Sheltered

HERE: ContextVar[str] = ContextVar("HERE")


async def cancelled_while(work, times: int = 1, seconds: float = 5):
    """Await work in a task that is cancelled; return what the shelter returned."""
    HERE.set("context")

    async def run():
        found = await Sheltered(work, seconds)
        assert HERE.get() == "context"
        return found

    task = asyncio.create_task(run())
    await asyncio.sleep(0.01)
    for _ in range(times):
        task.cancel("enough")
        await asyncio.sleep(0)
    return await task


async def test_cancellation_comes_when_the_work_is_done() -> None:
    steps = []

    async def work() -> None:
        for number in range(3):
            await asyncio.sleep(0.01)
            steps.append(number)

    cancelled = await cancelled_while(work())
    assert (steps, type(cancelled), cancelled.args) == ([0, 1, 2], asyncio.CancelledError, ("enough",))


async def test_nobody_cancels() -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)

    assert await Sheltered(work(), 5) is None


async def test_error_of_the_work_is_raised() -> None:
    async def work() -> None:
        await asyncio.sleep(0.02)
        raise LookupError("deferred constraint")

    for times in (0, 1):
        with pytest.raises(LookupError, match="deferred constraint"):
            await cancelled_while(work(), times)


async def test_future_that_fails_or_is_cancelled_by_somebody_else() -> None:
    loop = asyncio.get_running_loop()
    caught = []

    async def work(future) -> None:
        try:
            await future
        except (LookupError, asyncio.CancelledError) as error:
            caught.append(type(error))

    failing, cancelled = loop.create_future(), loop.create_future()
    loop.call_later(0.005, failing.set_exception, LookupError())
    loop.call_later(0.005, cancelled.cancel)
    assert [await Sheltered(work(each), 5) for each in (failing, cancelled)] == [None, None]
    assert caught == [LookupError, asyncio.CancelledError]


@pytest.mark.parametrize(("times", "seconds"), [(2, 5), (1, 0.03)], ids=["second cancellation", "time is over"])
async def test_wait_ends(times, seconds) -> None:
    told = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.01)  # closing the connection takes a moment, and is waited for
            told.append("closed")
            raise

    begun = time.monotonic()
    with pytest.raises(OutcomeUnknown) as caught:
        await cancelled_while(work(), times, seconds)
    assert (told, caught.value.cancelled.args) == (["closed"], ("enough",))
    assert time.monotonic() - begun < 30


async def test_cancellation_before_there_is_a_future() -> None:
    async def work() -> None:
        asyncio.current_task().cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(60)

    async def run() -> None:
        with pytest.raises(OutcomeUnknown):
            await Sheltered(work(), 0.02)

    begun = time.monotonic()
    await asyncio.create_task(run())
    assert time.monotonic() - begun < 30


class Connection:
    """Stands for a connection of SQLAlchemy's, whose way back to the pool takes a while."""

    def __init__(self) -> None:
        self.is_closing, self.may_close, self.is_closed = asyncio.Event(), asyncio.Event(), False

    async def start(self):
        return self

    async def close(self) -> None:
        self.is_closing.set()
        await self.may_close.wait()
        self.is_closed = True


@pytest.mark.parametrize("error", [None, LookupError("of the block")])
async def test_connection_goes_back_though_its_task_is_cancelled(error) -> None:
    connection = Connection()

    async def block() -> None:
        async with CheckedOut(connection) as found:
            assert found is connection
            if error is not None:
                raise error

    async with asyncio.timeout(5):
        task = asyncio.create_task(block())
        await connection.is_closing.wait()
        task.cancel("enough")
        await asyncio.sleep(0)
        assert not task.done()
        connection.may_close.set()
        with pytest.raises(asyncio.CancelledError, match="enough"):
            await task
    assert connection.is_closed


async def test_error_of_the_block_is_raised_once_the_connection_is_back() -> None:
    connection = Connection()
    connection.may_close.set()
    with pytest.raises(LookupError, match="of the block"):
        async with CheckedOut(connection):
            raise LookupError("of the block")
    assert connection.is_closed


async def test_connection_that_never_closes_holds_up_no_cancelled_task(monkeypatch) -> None:
    monkeypatch.setattr("aldis.orm.transactions.sheltered.CLOSING", 0.01)
    connection = Connection()

    async def block() -> None:
        async with CheckedOut(connection):
            pass

    async with asyncio.timeout(5):
        task = asyncio.create_task(block())
        await connection.is_closing.wait()
        task.cancel("enough")
        with pytest.raises(asyncio.CancelledError):
            await task
    assert not connection.is_closed
