"""The blocks and operations of a transaction, each inside another, and whose turn it is.

A transaction is one connection, and its savepoints are a stack. So of those inside one scope (an operation with its
receivers, a block, a single statement) one has the turn, and the others wait, first come first served. A task that is
started inside a scope has it in its context; its operations belong to the innermost scope there that is open.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections import deque
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, Final

from ...errors import TransactionEndedError, TurnTimeoutError
from .rollback import RollbackScope
from .running_receiver import receiver_in
from .settings import settings_of

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from .savepoints import Transaction

__all__ = ["SCOPE", "STATEMENT", "Scope", "innermost", "open_scope", "scope_on"]

LOG: Final = logging.getLogger("aldis")

SCOPE: Final[ContextVar[Scope | None]] = ContextVar("SCOPE", default=None)
"""The innermost scope that the current context was in when it was copied or set; it may be over."""

STATEMENT: Final = "a statement"
"""The name of a single statement that has the turn."""

LOOKS: Final = 4
"""How often a waiter looks at the operation with the turn before its timeout is over."""

WARNED: Final[weakref.WeakSet[asyncio.Task[Any]]] = weakref.WeakSet()
"""The tasks that were started in a transaction which was rolled back, and of whose own a warning was logged."""


class Waiter:
    """Somebody who waits for the turn, and the seconds for which no statement was seen."""

    __slots__ = ("future", "looked", "silent", "who")

    def __init__(self, who: Scope | str, loop: asyncio.AbstractEventLoop) -> None:
        self.who = who
        self.silent = 0.0
        self.looked = loop.time()
        self.future: asyncio.Future[bool] = loop.create_future()


class Scope:
    """A block or an operation of a transaction.

    Args:
        engine: Whose models' operations take part.
        rollback: The instances that are put back when it is undone.
        name: Its name, for messages; of an operation on a model, the model.
        also: Another engine whose models' operations take part.
    """

    # Defaults of the class, which cost an operation nothing.
    parent: Scope | None = None
    transaction: Transaction = None  # type: ignore[assignment]  # until it is opened
    number = 0
    """The savepoint that it is."""
    busy: Scope | str | None = None
    """The scope or statement inside that has the turn."""
    queue: deque[Waiter] | None = None
    """Those who wait for it."""
    is_open = False
    is_undone = False
    is_cut = False
    """One around it was rolled back."""
    users = 0
    """How many operations are in a transaction that was begun on its connection."""
    touched: weakref.WeakSet[asyncio.Task[Any]] | None = None
    """The other tasks that have had an operation inside."""
    read_only = False
    since = 0.0
    """When the one that has the turn got it, where somebody waited."""
    around: Scope | None
    loop: asyncio.AbstractEventLoop
    owner: asyncio.Task[Any] | None
    token: Token[Scope | None]

    def __init__(self, engine: Engine, rollback: RollbackScope, name: str | type, also: Engine | None = None) -> None:
        self.engine = engine
        self.also = also
        self.name = name
        self.rollback = rollback

    def __str__(self) -> str:
        name = self.name if isinstance(self.name, str) else f"an operation on {self.name.__name__}"
        own = self.rollback.own
        if own is None:
            return name
        state = own[0]
        return f"{name} {', '.join(map(str, state.identity))}" if state.identity else f"{name} that is new"

    def open(self, transaction: Transaction, parent: Scope | None) -> None:
        """Begin: all operations of the current context belong to it from now on."""
        self.transaction = transaction
        self.parent = parent
        self.around = SCOPE.get()
        self.loop = asyncio.get_running_loop()
        self.owner = owner = asyncio.current_task()
        self.is_open = True
        if parent is not None:
            self.read_only = parent.read_only or self.read_only
            if owner is not parent.owner:
                parent.touch(owner)
        self.token = SCOPE.set(self)

    def touch(self, task: asyncio.Task[Any] | None) -> None:
        """Take note that another task has an operation inside."""
        scope: Scope | None = self
        while scope is not None and scope.owner is not task and task is not None:
            if scope.touched is None:
                scope.touched = weakref.WeakSet()
            scope.touched.add(task)
            scope = scope.parent

    def was_committed(self) -> bool:
        """Tell whether somebody inside has committed the transaction on its connection."""
        return self.transaction is not None and self.transaction.was_committed()

    def has_lost_commit(self) -> bool:
        """Tell whether somebody inside has asked for a COMMIT of which nobody knows whether it was done."""
        return self.transaction is not None and self.transaction.has_lost_commit()

    def leave_context(self) -> None:
        """Let the current context be where it was before; it may be another than the one that was entered."""
        try:
            SCOPE.reset(self.token)
        except ValueError:  # a generator, or a fixture, is ended by another task: nobody finds a closed scope
            if SCOPE.get() is self:
                SCOPE.set(self.around)

    # Turns

    async def wait(self, who: Scope | str) -> bool:
        """Wait for the turn; tell whether it was given, else the scope is over and the next one out is to be asked.

        Raises:
            TransactionEndedError: The scope was rolled back meanwhile.
            TurnTimeoutError: The operation that has the turn sent no statement for ``turn_timeout`` seconds.
        """
        if self.is_undone:
            raise self.ended(who)
        if not self.is_open and who is not self:
            return False
        loop = self.loop
        waiter = Waiter(who, loop)
        if self.queue is None:
            self.queue = deque()
        self.queue.append(waiter)
        transaction = self.transaction
        transaction.waiting += 1
        timeout = settings_of(self.engine).turn_timeout
        timer = loop.call_later(timeout / LOOKS, self.look_at, waiter, timeout)
        try:
            while True:
                try:
                    return await waiter.future
                except asyncio.CancelledError:
                    if waiter.future.cancelled() or not waiter.future.done():
                        if self.queue is not None and waiter in self.queue:
                            self.queue.remove(waiter)
                    elif waiter.future.exception() is None and waiter.future.result():
                        self.give()
                    raise
        finally:
            transaction.waiting -= 1
            timer.cancel()

    def look_at(self, waiter: Waiter, timeout: float) -> None:
        """Look whether the operation with the turn has sent a statement since; else the waiter need not wait longer.

        Time counts only while the event loop runs. Where the process was stopped, or a receiver blocked the loop, the
        operation could send nothing: so a look counts one part of the timeout at most.
        """
        if waiter.future.done():
            return
        now = self.loop.time()
        last = max(self.since, self.transaction.sent_at)
        if last > waiter.looked:
            waiter.silent, waiter.looked = 0.0, last
        waiter.silent += min(now - waiter.looked, timeout / LOOKS)
        waiter.looked = now
        if waiter.silent < timeout:
            self.loop.call_later(min(timeout - waiter.silent, timeout / LOOKS), self.look_at, waiter, timeout)
            return
        if self.queue is not None and waiter in self.queue:
            self.queue.remove(waiter)
        owner = self.busy.owner if isinstance(self.busy, Scope) else None
        waiter.future.set_exception(
            TurnTimeoutError(
                f"{waiter.who} has waited {timeout:g} s for its turn in the transaction, and meanwhile {self.busy}, "
                f"which has the turn, has sent no statement{receiver_in(owner)}. If that waits for a task that was "
                "started outside of it, it waits for itself: await the task elsewhere, or start it in "
                "`async with aldis.detached():`. Database(turn_timeout=...) sets the time."
            )
        )

    def give(self) -> None:
        """Give the turn to the one who came next, if there is one."""
        self.busy = None
        queue = self.queue
        while queue:
            waiter = queue.popleft()
            if not waiter.future.done():
                self.busy = waiter.who
                self.since = self.loop.time()
                waiter.future.set_result(True)
                return

    async def statement(self) -> None:
        """Take the turn for a statement of the scope's own.

        Raises:
            TransactionEndedError: The scope is over.
        """
        if self.busy is None and self.is_open and not self.queue:
            self.busy = STATEMENT
        elif not await self.wait(STATEMENT):
            raise self.ended(STATEMENT)

    # The end

    async def end_well(self) -> None:
        """End, with nothing undone: nobody new gets in, and operations under way in other tasks are waited for.

        Raises:
            TransactionEndedError: A scope around this one was rolled back.
            TurnTimeoutError: An operation that is under way sent no statement for too long.
        """
        if self.is_undone:
            raise self.ended(self)
        self.is_open = False
        if self.queue:
            waiters, self.queue = self.queue, None
            for waiter in waiters:
                if not waiter.future.done():
                    waiter.future.set_result(False)
        if self.busy is not None:
            await self.wait(self)
            self.busy = None
        if self.is_undone:
            raise self.ended(self)

    def undo_inside(self) -> Scope:
        """End badly: operations inside, and waiting ones, learn it at their next step; return the innermost scope."""
        innermost: Scope = self
        while True:
            innermost.is_open, innermost.is_undone = False, True
            innermost.is_cut = innermost.is_cut or innermost is not self
            waiters, innermost.queue = innermost.queue, None
            for waiter in waiters or ():
                if not waiter.future.done():
                    waiter.future.set_exception(self.ended(waiter.who))
                put_back_unbegun(waiter.who)
            inner = innermost.busy
            put_back_unbegun(inner)
            if not isinstance(inner, Scope) or inner is innermost or inner.transaction is None:
                break
            innermost = inner
        scope = innermost
        while scope is not self and scope.parent is not None:
            scope.rollback.precede(self.rollback)
            scope.rollback.join(scope.parent.rollback)
            scope = scope.parent
        return innermost

    async def end_badly(self) -> None:
        """End, and let the operations inside be undone; wait for the statement on the wire, and for nothing else."""
        innermost = self.undo_inside()
        while innermost.busy is STATEMENT:
            arrived = Waiter(self, self.loop)
            if innermost.queue is None:
                innermost.queue = deque()
            innermost.queue.append(arrived)
            try:
                await arrived.future
            finally:
                if arrived.future.done() and not arrived.future.cancelled():
                    innermost.give()

    def ended(self, who: object) -> TransactionEndedError:
        """Return the error of an operation that was to be part of the scope, or of the scope itself."""
        which = f"{self} is" if who is self else f"{who} was to be part of {self}, which is"
        return TransactionEndedError(
            f"{which} over: it was rolled back, or what it is part of was. Nothing of it is written. A task that is to "
            "outlive what started it begins in `async with aldis.detached():`."
        )

    def close(self) -> None:
        """Keep only the fields that tell late comers that it is over."""
        self.is_open = False
        self.owner = None


def put_back_unbegun(who: Scope | str | None) -> None:
    """Put back the instance of an operation that waits for its turn, or has just got it, and will not begin.

    It is put back before what it was to follow: an update that waits knows its instance as a stored one, which a save
    in the same block has made it.
    """
    if isinstance(who, Scope) and who.transaction is None:
        who.rollback.undo()
        who.rollback = RollbackScope()


def innermost(engine: Engine) -> Scope | None:
    """Return the innermost open scope of the context in which operations of an engine's models take part.

    Raises:
        TransactionEndedError: The task has had an operation in a scope of the context that was rolled back; once.
    """
    scope = SCOPE.get()
    if scope is None:
        return None
    if scope.is_open and (scope.engine is engine or scope.also is engine) and scope.loop is asyncio.get_running_loop():
        return scope
    return outwards(scope, engine)


def outwards(scope: Scope | None, engine: Engine) -> Scope | None:
    """Look for an open scope from one on outwards, and refuse a task that had a part in one that was rolled back."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    found: Scope | None = None
    undone: list[Scope] = []
    while scope is not None and found is None:
        if (scope.engine is engine or scope.also is engine) and scope.loop is loop:
            if scope.is_open:
                found = scope
            elif scope.is_undone:
                if scope.owner is not None:  # the operation that was rolled back has not come to its end
                    raise scope.ended("an operation")
                undone.append(scope)
        scope = scope.around
    for each in undone:
        if task is not None and each.touched is not None and task in each.touched:
            for other in undone:
                if other.touched is not None:
                    other.touched.discard(task)
            raise TransactionEndedError(
                f"{each}, in which {task.get_name()} has had an operation, was rolled back: this call is not made, so "
                "that half of what belongs together is not committed alone. The next one has a transaction of its own."
            )
    if found is None and undone and task is not None and task not in WARNED:
        WARNED.add(task)
        LOG.warning(
            "%s was started in a transaction that was rolled back, and now begins one of its own: if it is to, start "
            "it in `async with aldis.detached():`.",
            task.get_name(),
        )
    return found


def open_scope(engine: Engine) -> Scope | None:
    """Return the same as :func:`innermost`, for reads: it refuses an operation that was rolled back only.

    Raises:
        TransactionEndedError: The context is in an operation that was rolled back, and has not come to its end.
    """
    scope = SCOPE.get()
    if scope is None:
        return None
    loop = asyncio.get_running_loop()
    while scope is not None:
        if (scope.engine is engine or scope.also is engine) and scope.loop is loop:
            if scope.is_open:
                return scope
            if scope.is_undone and scope.owner is not None:
                raise scope.ended("a query")
        scope = scope.around
    return None


def scope_on(sync: Any) -> Scope | None:
    """Return the innermost scope of the context on a connection of SQLAlchemy's; it may be over, if none is open."""
    scope = SCOPE.get()
    over: Scope | None = None
    while scope is not None:
        if scope.transaction.sync is sync:
            if scope.is_open:
                return scope
            over = over or scope
        scope = scope.around
    return over
