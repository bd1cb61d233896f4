"""An event loop whose interleavings follow from a seed: the same seed runs the same tasks in the same order.

Three things make an ordinary loop differ from run to run: when an answer of a database arrives, how long a sleep takes,
and which task comes first. Here every answer that is on its way arrives before the next task runs, the clock is a
number that moves only when nothing else can, and the next task is drawn by a generator of random numbers.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import sys
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextvars import Context
from operator import itemgetter
from typing import Any, Final

__all__ = ["SeededLoop", "Stuck"]

PSYCOPG: Final = "psycopg.waiting"
"""The module in which psycopg waits for an answer; a timer wakes it ten times a second, to let a Ctrl-C through."""

DRIVERS: Final = (
    "aiosqlite",
    "asyncpg",
    PSYCOPG,
    "aldis.orm.databases",
    "asyncio.selector_events",
    "asyncio.base_events",
)
"""The packages whose futures stand for an answer that is on its way."""

PATIENCE: Final = 5
"""Real seconds after which an answer that has not come is taken for one that waits for a lock; SQLite's come before."""

LONGEST: Final = 20.0
"""Real seconds that a run may wait for an answer when nothing else is left to do."""


class Stuck(Exception):
    """The program waits for something that nothing will bring."""


class SeededLoop(asyncio.SelectorEventLoop):
    """An event loop that draws which task runs next.

    Args:
        seed: Gives the order of the tasks, and the moments of cancellations.
        cancel_one_in: Of so many steps of the tasks in :attr:`victims`, one is a cancellation; 0 for none.
        waits_for_locks: Tells whether so many statements wait for locks of each other, where the database can be asked.
    """

    def __init__(self, seed: int, cancel_one_in: int = 0, waits_for_locks: Callable[[int], bool] | None = None) -> None:
        self.now = 0.0
        self.in_flight: weakref.WeakSet[asyncio.Future[Any]] = weakref.WeakSet()  # some are given up
        super().__init__()
        self.seed = seed
        self.random = random.Random(0)
        self.cancel_one_in = cancel_one_in
        self.waits_for_locks = waits_for_locks
        self.victims: set[asyncio.Task[Any]] = set()
        """The tasks that may be cancelled; each is, once at most."""
        self.numbers: weakref.WeakKeyDictionary[asyncio.Task[Any], int] = weakref.WeakKeyDictionary()
        """The order in which tasks were made: that in which their answers come differs from run to run."""
        self.made = 0
        self.set_task_factory(self.make_task)
        self.steps = 0
        self.cancellations = 0
        self.errors: list[str] = []
        """The complaints to the loop: tasks and futures whose exception nobody has looked at."""
        self.set_exception_handler(lambda _loop, context: self.errors.append(told(context)))

    def begin_drawing(self) -> None:
        """Begin what the seed stands for: how many steps there were before may differ."""
        self.random = random.Random(f"schedule {self.seed}")

    def time(self) -> float:
        """Return the time, which moves only when nothing can be done."""
        return self.now

    def make_task(self, _loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        """Return a task, numbered."""
        task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=self, **options)
        self.numbers[task] = self.made
        self.made += 1
        return task

    def create_future(self) -> asyncio.Future[Any]:
        """Return a future, and take note of those that a driver waits for."""
        future: asyncio.Future[Any] = super().create_future()
        if caller().startswith(DRIVERS):
            self.in_flight.add(future)
            future.add_done_callback(self.in_flight.discard)
        return future

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call a function when so much time has passed; but psycopg is woken by answers only."""
        if caller() == PSYCOPG:
            return asyncio.TimerHandle(self.now + delay, callback, args, self, context)
        return super().call_later(delay, callback, *args, context=context)

    def _run_once(self) -> None:
        """Run callbacks that are no task's, in order; then one step of one task."""
        ready: deque[asyncio.Handle] = self._ready  # type: ignore[attr-defined]
        self.let_arrive()
        tasks: list[tuple[int, asyncio.Handle]] = []
        while ready:
            handle = ready.popleft()
            if handle._cancelled:  # type: ignore[attr-defined]
                continue
            task = task_of(handle)
            if task is not None:
                tasks.append((self.numbers.get(task, -1), handle))
            else:
                handle._run()
                if self.in_flight:
                    self.let_arrive()
        if not tasks:
            if not self._stopping:  # type: ignore[attr-defined]
                self.move_on()
            return
        tasks.sort(key=itemgetter(0))
        _, handle = tasks.pop(self.random.randrange(len(tasks)))
        ready.extendleft(handle for _, handle in reversed(tasks))
        self.step(handle)

    def step(self, handle: asyncio.Handle) -> None:
        """Run one step of a task, or cancel one of the victims before it."""
        self.steps += 1
        victims = sorted((task for task in self.victims if not task.done()), key=lambda task: self.numbers[task])
        if self.cancel_one_in and victims and self.random.randrange(self.cancel_one_in) == 0:
            victim = self.random.choice(victims)
            self.victims.discard(victim)
            self.cancellations += 1
            victim.cancel()
        handle._run()

    def outstanding(self) -> int:
        """Return how many answers somebody waits for: asyncpg makes the future of one before it has sent anything."""
        return sum(len(future._callbacks or ()) > 1 for future in list(self.in_flight))  # type: ignore[attr-defined]

    def let_arrive(self) -> None:
        """Wait for the answers that are on their way, those aside that wait for a lock."""
        begun = time.monotonic()
        while True:
            before = self.outstanding()
            self.receive(0.0005 if before else 0.0)
            self.run_callbacks()
            left = self.outstanding()
            if not left:
                return
            waited = time.monotonic() - begun
            if left < before:
                begun = time.monotonic()
            elif self.waits_for_locks is not None and waited > 0.002:
                if self.waits_for_locks(left) or waited > 1:
                    return
            elif waited > PATIENCE and self.waits_for_locks is None:
                # They never come: SQLAlchemy has stopped the thread of a cancelled connection, and then closed it.
                self.in_flight.clear()
                return

    def receive(self, timeout: float) -> None:
        """Take the selector's events, and let timers that are due join it."""
        self._process_events(self._selector.select(timeout))  # type: ignore[attr-defined]
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        while scheduled and (scheduled[0]._cancelled or scheduled[0]._when <= self.now):  # type: ignore[attr-defined]
            timer = heapq.heappop(scheduled)
            timer._scheduled = False  # type: ignore[attr-defined]
            if not timer._cancelled:  # type: ignore[attr-defined]
                self._ready.append(timer)  # type: ignore[attr-defined]

    def run_callbacks(self) -> None:
        """Run callbacks that are ready and no step of a task: transports and futures rely on its order."""
        ready: deque[asyncio.Handle] = self._ready  # type: ignore[attr-defined]
        for _ in range(len(ready)):
            handle = ready.popleft()
            if task_of(handle) is not None:
                ready.append(handle)
            elif not handle._cancelled:  # type: ignore[attr-defined]
                handle._run()

    def move_on(self) -> None:
        """Let time pass, since nothing can be done now."""
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        if scheduled:
            self.now = max(self.now, scheduled[0]._when)  # type: ignore[attr-defined]
            return
        end = time.monotonic() + LONGEST
        while not self._ready and time.monotonic() < end:  # type: ignore[attr-defined]
            if not self.in_flight and not self._stopping:  # type: ignore[attr-defined]
                self.receive(0.05)
                if not self._ready:  # type: ignore[attr-defined]
                    break
            self.receive(0.001)
        if not self._ready:  # type: ignore[attr-defined]
            raise Stuck(f"nothing is ready, and {len(self.in_flight)} answers have not come")


def caller() -> str:
    """Return the name of the module that has called the loop."""
    return str(sys._getframe(2).f_globals.get("__name__", ""))


def task_of(handle: asyncio.Handle) -> asyncio.Task[Any] | None:
    """Return the task whose step a handle is, if it is one."""
    owner = getattr(handle._callback, "__self__", None)  # type: ignore[attr-defined]
    return owner if isinstance(owner, asyncio.Task) else None


def told(context: dict[str, Any]) -> str:
    """Return the complaints to the loop, in a line."""
    return f"{context['message']}: {context.get('exception')!r}"
