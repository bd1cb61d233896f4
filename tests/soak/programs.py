"""Random programs of transactions, saves, bulks, receivers and background tasks, and what has to hold at their end.

A program is drawn from a seed and run on a loop of the same seed. Each of its rows has a label of its own. While it
runs, a history takes down what was called, what it answered or raised, and which labels ``after_commit`` receivers were
told of. When everything is over, the history is held against the rows: see :func:`violations`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final

from sqlalchemy import String, inspect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import aldis
from aldis.signals import LIFECYCLE

__all__ = ["Program", "Refused", "models_of", "violations"]

DEEPEST: Final = 4
"""How deep blocks, tasks and receivers are nested."""

UNKNOWN: Final = "nobody knows whether that was done"
"""The words of aldis' note on an error that came during a COMMIT which was not answered."""


class Refused(Exception):
    """Raised by receivers and blocks that a program tells to fail."""


@dataclass(eq=False)
class Frame:
    """A block or an operation, of which others may be part.

    Attributes:
        task: The task that it runs in.
        outcome: ``None`` while it is open, then "done", "undone", "cancelled", which may be either, or "unknown" where
            aldis has said so of its COMMIT.
    """

    task: Any
    outcome: str | None = None


@dataclass(eq=False)
class Call:
    """One call that writes rows.

    Attributes:
        labels: Of the rows.
        around: The blocks and operations that it was begun in, the innermost last.
        instances: The instances that it was given.
        outcome: As of a frame.
        raised: The type of its exception.
    """

    labels: list[str]
    around: list[Frame]
    instances: list[Any]
    outcome: str | None = None
    raised: str | None = None
    frame: Frame | None = None

    @property
    def is_unknown(self) -> bool:
        """Tell whether aldis has said that nobody knows whether its rows, or those of a block around it, are there."""
        return self.outcome == "unknown" or any(frame.outcome == "unknown" for frame in self.around)


@dataclass(eq=False)
class Plan:
    """The actions of a row's receivers.

    Attributes:
        nested: Labels of rows that a receiver saves, and waits for.
        together: The nested ones are saved by tasks at once.
        started: Labels of rows that tasks save which a receiver starts, and does not wait for.
        pauses: How long a receiver sleeps before and after the row is written.
        refuses: "before" or "after" the row is written, a receiver raises.
        sour: The receiver that waits for the commit raises.
    """

    nested: list[str] = field(default_factory=list)
    together: bool = False
    started: list[str] = field(default_factory=list)
    pauses: tuple[float, float] = (0, 0)
    refuses: str | None = None
    sour: bool = False


def models_of(url: str, **options: Any) -> SimpleNamespace:
    """Return a database with one table of labelled rows; its signals are the caller's own."""

    class Base(aldis.Model, DeclarativeBase):
        database = aldis.Database(url, **options)

    for signal in LIFECYCLE:
        setattr(Base.meta.signals, signal.name, aldis.NamedSignal(signal.name))

    class Row(Base):
        __tablename__ = "soak_row"
        id: Mapped[int] = mapped_column(primary_key=True)
        label: Mapped[str] = mapped_column(String(40), unique=True)
        note: Mapped[str] = mapped_column(String(40), default="")

    return SimpleNamespace(Base=Base, Row=Row, database=Base.database)


class Program:
    """One random program.

    Args:
        seed: The seed that it is drawn from.
        models: The result of :func:`models_of`.
        loop: The loop that it runs on; it cancels the tasks that the program starts.
    """

    def __init__(self, seed: int, models: SimpleNamespace, loop: Any) -> None:
        self.draw = random.Random(f"program {seed}")
        self.models = models
        self.loop = loop
        self.plans: dict[str, Plan] = {}
        self.calls: list[Call] = []
        self.history: list[str] = []
        self.told: list[str] = []
        self.updated: list[tuple[Frame, Any]] = []
        """The updates that were begun, and their instances."""
        self.tasks: list[asyncio.Task[Any]] = []
        self.frames: dict[Any, list[Frame]] = {}
        self.labels = 0
        self.body = self.some_steps(0)

    # Its parts

    def label(self, depth: int) -> str:
        """Return the label of a new row, whose plan is drawn."""
        self.labels += 1
        label = f"r{self.labels}"
        draw = self.draw
        plan = self.plans[label] = Plan()
        if depth < DEEPEST and draw.random() < 0.35:
            plan.nested = [self.label(depth + 1) for _ in range(draw.choice((1, 1, 2)))]
            plan.together = draw.random() < 0.5
        if depth < DEEPEST and draw.random() < 0.3:
            plan.started = [self.label(depth + 1)]
        plan.pauses = (draw.choice((0, 0, 0.01, 0.05)), draw.choice((0, 0, 0.01, 0.05)))
        plan.refuses = draw.choice(("before", "after")) if draw.random() < 0.2 else None
        plan.sour = draw.random() < 0.05
        return label

    def some_steps(self, depth: int) -> list[Any]:
        """Draw a few steps."""
        return [self.some_step(depth) for _ in range(self.draw.choice((1, 2, 2, 3)))]

    def some_step(self, depth: int) -> Any:
        """Draw a step: its kind, and that kind's parameters."""
        draw = self.draw
        kinds = ["save", "save", "update", "bulk", "read", "pause"]
        if depth < DEEPEST:
            kinds += ["block", "block", "gather", "gather", "start"]
        kind = draw.choice(kinds)
        if kind in {"save", "update"}:
            return kind, self.label(depth + 1)
        if kind == "bulk":
            return kind, [self.label(DEEPEST) for _ in range(draw.choice((2, 3)))]
        if kind == "block":
            return kind, self.some_steps(depth + 1), draw.random() < 0.25
        if kind == "gather":
            return kind, [self.some_step(depth + 1) for _ in range(draw.choice((2, 2, 3)))], draw.random() < 0.5
        if kind == "start":
            return kind, self.some_step(depth + 1)
        return kind, draw.choice((0, 0.01, 0.03))

    # How it runs

    async def run(self) -> None:
        """Run it, and wait for all that it has started."""
        self.connect()
        top = [self.begin_task([self.attempt(step)], []) for step in self.body]
        await asyncio.gather(*top, return_exceptions=True)
        while waiting := [task for task in self.tasks if not task.done()]:
            await asyncio.gather(*waiting, return_exceptions=True)
        for task in self.tasks:
            if not task.cancelled():
                task.exception()

    async def find_out(self) -> int:
        """Load the instances of which nobody knows whether they are stored; return how many there are."""
        unknown = [instance for call in self.calls if call.is_unknown for instance in call.instances]
        unknown += [instance for frame, instance in self.updated if frame.outcome == "unknown"]
        for instance in unknown:
            with contextlib.suppress(aldis.ObjectNotFound, aldis.NotSavedError):
                await instance.load()
        return len(unknown)

    def begin_task(self, steps: list[Callable[[], Awaitable[None]]], around: list[Frame]) -> asyncio.Task[None]:
        """Start a task that the loop may cancel; it is inside the frames ``around``."""

        async def work() -> None:
            self.frames[asyncio.current_task()] = list(around)
            for step in steps:
                await step()

        task = asyncio.ensure_future(work())
        self.tasks.append(task)
        self.loop.victims.add(task)
        return task

    def around(self) -> list[Frame]:
        """Return the frames that the current task is in."""
        return self.frames.setdefault(asyncio.current_task(), [])

    def attempt(self, step: Any) -> Callable[[], Awaitable[None]]:
        """Return a coroutine function that runs a step, and lets go of its error."""

        async def go() -> None:
            try:
                await self.do(step)
            except Exception as error:
                self.history.append(f"caught {type(error).__name__}")

        return go

    async def do(self, step: Any) -> None:
        """Run a step."""
        kind, *rest = step
        await getattr(self, f"do_{kind}")(*rest)

    async def do_pause(self, seconds: float) -> None:
        """Sleep."""
        await asyncio.sleep(seconds)

    async def do_read(self, _seconds: float) -> None:
        """Count the rows."""
        await self.models.Row.query.count()

    async def do_block(self, steps: list[Any], fails: bool) -> None:
        """Run steps in a transaction; the errors of some are caught in it, and it may fail itself."""
        frames = self.around()
        frame = Frame(asyncio.current_task())
        try:
            async with self.models.database.transaction():
                frames.append(frame)
                try:
                    for number, step in enumerate(steps):
                        await (self.attempt(step)() if number % 2 else self.do(step))
                    if fails:
                        raise Refused
                finally:
                    frames.remove(frame)
        except BaseException as error:
            frame.outcome = outcome_of(error)
            self.history.append(f"block raised {type(error).__name__}")
            raise
        frame.outcome = "done"
        self.history.append("block done")

    async def do_gather(self, steps: list[Any], keep: bool) -> None:
        """Run steps at once, each in a task."""
        around = self.around()
        running = [self.begin_task([lambda step=step: self.do(step)], around) for step in steps]  # type: ignore[misc]
        await asyncio.gather(*running, return_exceptions=keep)

    async def do_start(self, step: Any) -> None:
        """Start a step, and go on."""
        self.begin_task([self.attempt(step)], self.around())

    async def do_save(self, label: str) -> None:
        """Save a row."""
        row = self.models.Row(label=label)
        await self.call([label], [row], row.save)

    async def do_update(self, label: str) -> None:
        """Save a row, and update it."""
        row = self.models.Row(label=label)
        await self.call([label], [row], row.save)
        frame = Frame(asyncio.current_task())
        self.updated.append((frame, row))
        try:
            await row.update(note="updated")
        except BaseException as error:
            frame.outcome = outcome_of(error)
            raise

    async def do_bulk(self, labels: list[str]) -> None:
        """Create rows at once."""
        rows = [self.models.Row(label=label) for label in labels]
        await self.call(labels, rows, lambda: self.models.Row.query.bulk_create(rows))

    async def call(self, labels: list[str], instances: list[Any], what: Callable[[], Awaitable[Any]]) -> None:
        """Make a call, and take down how it ends."""
        frames = self.around()
        call = Call(labels, list(frames), instances, frame=Frame(asyncio.current_task()))
        self.calls.append(call)
        self.history.append(f"call {labels}")
        frames.append(call.frame)  # type: ignore[arg-type]
        try:
            await what()
        except BaseException as error:
            call.outcome, call.raised = outcome_of(error), type(error).__name__
            self.history.append(f"{labels} raised {call.raised}")
            raise
        else:
            call.outcome = "done"
            self.history.append(f"{labels} answered")
        finally:
            call.frame.outcome = call.outcome  # type: ignore[union-attr]
            frames.remove(call.frame)  # type: ignore[arg-type]

    # Its receivers

    def connect(self) -> None:
        """Connect the receivers that do as the rows' plans say."""
        signals, row = self.models.Base.meta.signals, self.models.Row

        @signals.pre_save.connect_via(row)
        async def before(sender: Any, model_instance: Any, is_update: bool) -> None:
            plan = self.plans[model_instance.label]
            if is_update:
                return
            if plan.pauses[0]:
                await asyncio.sleep(plan.pauses[0])
            if plan.refuses == "before":
                raise Refused

        @signals.post_save.connect_via(row)
        async def after(sender: Any, model_instance: Any, is_update: bool) -> None:
            plan = self.plans[model_instance.label]
            for label in plan.started:
                self.begin_task([self.attempt(("save", label))], self.around())
            if plan.together:
                around = self.around()
                await asyncio.gather(
                    *(self.begin_task([lambda label=label: self.do_save(label)], around) for label in plan.nested)  # type: ignore[misc]
                )
            else:
                for label in plan.nested:
                    await self.do_save(label)
            if plan.pauses[1]:
                await asyncio.sleep(plan.pauses[1])
            if plan.refuses == "after":
                raise Refused

        @signals.post_save.connect_via(row, after_commit=True)
        async def mail(sender: Any, model_instance: Any) -> None:
            self.told.append(model_instance.label)
            self.history.append(f"told {model_instance.label}")
            if self.plans[model_instance.label].sour:
                raise Refused

        self.receivers = (before, after, mail)


def outcome_of(error: BaseException) -> str:
    """Return an error's message on the rows."""
    if isinstance(error, getattr(aldis, "AfterCommitError", ())):
        return "done"
    if any(UNKNOWN in note for note in getattr(error, "__notes__", ())):
        return "unknown"
    return "cancelled" if isinstance(error, asyncio.CancelledError) else "undone"


def violations(program: Program, stored: dict[str, str]) -> list[str]:
    """Return the complaints at the end of a program.

    Args:
        program: The program, which is over.
        stored: The notes of the rows that there are, by label.
    """
    found: list[str] = []
    for call in program.calls:
        there = [label for label in call.labels if label in stored]
        if there and len(there) < len(call.labels):
            found.append(f"half: of {call.labels} there are only {there}")
        is_there = bool(there)
        if is_there and call.outcome == "undone":
            found.append(f"kept: {call.labels} raised {call.raised}, and is there")
        if not is_there and call.outcome == "done" and all(frame.outcome == "done" for frame in call.around):
            found.append(f"lost: {call.labels} answered, all around it has committed, and it is not there")
        own = [frame for frame in call.around if frame.task is (call.frame and call.frame.task)]
        if is_there and any(frame.outcome == "undone" for frame in own):
            found.append(f"kept: the block around {call.labels} raised, and it is there")
        for label, instance in zip(call.labels, call.instances, strict=True):
            told = program.told.count(label)
            if told != (label in stored) and not (call.is_unknown and told == 0):
                found.append(f"told: {label} {told} times, and it is {'' if label in stored else 'not '}there")
            if (inspect(instance).key is not None) != (label in stored):
                found.append(
                    f"instance: {label} has the key {inspect(instance).key}, and the row is {stored.get(label)!r}"
                )
            elif label in stored and instance.note != stored[label]:
                found.append(f"instance: {label} says {instance.note!r}, and the row {stored[label]!r}")
            plan = program.plans[label]
            if label in stored:
                missing = [nested for nested in plan.nested if nested not in stored]
                if missing:
                    found.append(f"half: {label} is there, and {missing}, which its receiver saved, are not")
    found += [f"unheard: {line}" for line in program.loop.errors]
    return found
