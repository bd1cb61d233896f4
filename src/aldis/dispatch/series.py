"""One lifecycle signal for many rows, one after the other: a rendered loop over the columns."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextvars import ContextVar
from itertools import repeat
from operator import is_, length_hint
from types import CellType, FunctionType
from typing import Any, Final

from . import core
from .delivery import stand_in, started
from .emitters import PARAMETERS
from .foreign import fire
from .made_column import MadeColumn
from .plan_code import FIRE, INDENT, Context, PlanCode, kept, living
from .records import Receiver
from .sites import Site, site_of
from .twins import tools_are_on

__all__ = ["LoopCode", "Series", "types_of_rows"]


class LoopCode(PlanCode):
    """The text of a loop that calls the receivers for each row.

    It returns ``True`` at the end, ``False`` where the receivers are to be found again for the rows that are left, and
    the awaitable before these where a plain function has returned a coroutine.

    Args:
        names: The names of the values.
        sites: The call sites, in order.
        varying: Which of the values have one for each row, by their index.
        variables: How many context variables are set for each row.
        made: Those of the varying values that are made row by row.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        sites: Sequence[Site],
        varying: tuple[int, ...],
        variables: int,
        made: tuple[int, ...] = (),
    ) -> None:
        self.varying, self.variables = varying, variables
        self.used = self.used_by(names, sites)
        """The values that are taken from their columns: those that a receiver takes."""
        self.is_counted = not self.used or self.used[0] in made
        """The first values do not tell how many are left, so that the rows are counted beside them."""
        super().__init__(FIRE, names, sites)

    calls_once = False

    @staticmethod
    def needs_await(sites: Sequence[Site]) -> bool:
        """Tell whether a receiver is a coroutine function."""
        return any(each.parts.is_async for each in sites)

    def used_by(self, names: tuple[str, ...], sites: Sequence[Site]) -> tuple[int, ...]:
        """Return which of the varying values the calls take."""
        used: set[int] = set()
        for site in sites:
            parts = site.parts
            used.update((*parts.form.positions, *parts.form.keywords, *(parts.condition or ((), ()))[1]))
            if not self.needs_await(sites) and not parts.returns_nothing:
                used.update(range(len(names) + 1))  # it may return a coroutine, and the others get all by name then
        return tuple(index for index in self.varying if index in used)

    def when_gone(self, values: str) -> str:
        """Return the statement for a receiver that has died since the plan was made."""
        return "return False"

    def text_of(self) -> str:
        """Return the text of a function that only serves to be compiled: in it, the loop."""
        indices = range(len(self.names) + 1)
        values = ", ".join(f"a{index}" for index in indices)
        constant = [f"a{index}" for index in indices if index not in self.varying]
        setters = [f"v{number}" for number in range(self.variables)]
        head = [*self.take_receivers(values), *self.pack_keywords(), "try:"]
        columns = ["_"] * self.is_counted + [f"a{index}" for index in self.used]  # the first one tells the position
        columns += [f"u{number}" for number in range(self.variables)]
        start = [f"for {', '.join(columns)}, in rows:"]
        each = [f"v{number}(u{number})" for number in range(self.variables)]
        each += self.refill()
        calls = self.body(values, first=3 + len(head) + len(start) + len(each))
        each += [*calls, f"if {self.cell('void', 0)}:", f"{INDENT}return False"]
        lines = [*head, *(f"{INDENT}{line}" for line in [*start, *(f"{INDENT}{line}" for line in each)])]
        lines += [*self.tail(), "return True"]
        parameters = ", ".join([*constant, "rows", *setters])
        begin = f"def make({', '.join(dict.fromkeys(self.cells))}):\n"
        begin += f"{INDENT}{'async ' * self.awaits}def plan({parameters}):\n"
        return begin + "".join(f"{INDENT * 2}{line}\n" for line in lines) + f"{INDENT}return plan\n"

    def is_needed_after(self, position: int, positions: Sequence[int]) -> bool:
        """Tell whether a dict is needed after a call: by the next row it is."""
        return True

    def dict_of(self, packed: tuple[int, ...]) -> str:
        """Return the text of a dict, without the values that each row brings."""
        values = ["None" if index in self.varying else f"a{index}" for index in packed]
        items = [f"{self.names[index - 1]!r}: {value}" for index, value in zip(packed, values, strict=True)]
        return f"{{{', '.join(items)}}}"

    def refill(self) -> list[str]:
        """Return the lines that put a row's values into the dicts."""
        return [
            f"{pack}[{self.names[index - 1]!r}] = a{index}"
            for packed, pack in self.made.items()
            for index in packed
            if index in self.varying
        ]

    def value(self, letter: str, position: int, context: Context) -> Any:
        """Return a cell's content; that of ``void`` is the plan's own, set when somebody connects or disconnects."""
        return None if letter == "void" else super().value(letter, position, context)

    def loop(self, reference: weakref.ref[Any], records: Sequence[Receiver], void: CellType) -> Callable[..., Any]:
        """Return the loop over rows for some receivers."""
        function = self.function(reference, records)
        cells = dict(zip(self.code.co_freevars, function.__closure__ or (), strict=True))
        cells["void0"] = void
        closure = tuple(cells[name] for name in self.code.co_freevars)
        return FunctionType(function.__code__, function.__globals__, "plan", None, closure)


def loop_code_of(
    names: tuple[str, ...], sites: tuple[Site, ...], varying: tuple[int, ...], variables: int, made: tuple[int, ...]
) -> LoopCode:
    """Return the code of a loop."""
    key = names, sites, varying, variables, made
    return kept(ROWS, key, lambda: LoopCode(*key))


ROWS: Final[dict[Any, LoopCode]] = {}


def is_constant(column: list[Any]) -> bool:
    """Tell whether a column has one object for all rows, of which there are some."""
    return bool(column) and all(map(is_, column, repeat(column[0])))


class Series:
    """One lifecycle signal, fired for many rows, one after the other.

    Args:
        emitter: The signal's emitter.
        signal: The signal to send through.
        sender: The sender.
        columns: The signal's parameters in their order: a list or a :class:`MadeColumn` has a value for each row, all
            else is for all of them.
        told: Context variables to set before each row, each with its list of values.
        records: The receivers, where only these are called, and no other that is connected meanwhile.

    Raises:
        TypeError: The signal has more parameters, or fewer.
        ValueError: The lists are of different lengths.

    Example:
        >>> import aldis, asyncio
        >>> from aldis.dispatch import emitters
        >>> from aldis.dispatch.series import Series
        >>> deleted = aldis.Signal()
        >>> @deleted.connect
        ... def receiver(sender, instance, row_count):
        ...     print(instance, row_count)
        >>> asyncio.run(Series(emitters.post_delete, deleted, str, (["a", "b"], ["a", "b"], 1, False)).run())
        a 1
        b 1
    """

    def __init__(
        self,
        emitter: Callable[..., Any],
        signal: Any,
        sender: Any,
        columns: tuple[Any, ...],
        told: tuple[tuple[ContextVar[Any], list[Any]], ...] = (),
        records: Sequence[Receiver] | None = None,
    ) -> None:
        self.names = PARAMETERS[emitter.__name__]
        if len(columns) != len(self.names):
            raise TypeError(f"{emitter.__name__} takes {len(self.names)} values, not {len(columns)}")
        self.signal, self.sender, self.columns = signal, sender, columns
        self.types = types_of_rows(columns)
        """The types of the parameters that have a value for each row; ``None`` of the others."""
        lengths = {len(column) for column, of in zip(columns, self.types, strict=True) if of is not None}
        lengths.update([len(column) for _, column in told])
        if len(lengths) != 1:
            raise ValueError(f"the lists of a series are of one length, not of {sorted(lengths)}")
        self.count = lengths.pop()
        self._before = -1
        """The row before those that the loop goes over."""
        self._numbers: Iterator[Any] | None = None
        """Goes over the rows with the loop: how many it has left tells which row the loop is at."""
        self.told = told
        self.records = records
        self.varying: list[tuple[ContextVar[Any], list[Any]]] = []
        """Those that are set for each row; the others are set once: that costs as much as half a receiver."""
        self.constant: list[tuple[ContextVar[Any], Any]] = []
        for variable, column in told:
            if is_constant(column):
                self.constant.append((variable, column[0]))
            else:
                self.varying.append((variable, column))

    @property
    def position(self) -> int:
        """The row that the signal was last fired for, from 0: where a receiver has raised, its row."""
        return self._before if self._numbers is None else self.count - 1 - length_hint(self._numbers)

    def go(self) -> Coroutine[Any, Any, None] | None:
        """Fire the signal for the rows to come; return ``None`` at the end, or an awaitable for the rest."""
        return started(self.run())

    async def run(self) -> None:
        """Fire the signal for the rows to come.

        When a receiver raises, :attr:`position` is that of its row, and the next call goes on with the row after it.
        Receivers that are weakly referenced are kept until somebody connects.
        """
        self._pause()
        for variable, value in self.constant:
            variable.set(value)
        while self._before + 1 < self.count:
            signal = self.signal
            if not isinstance(signal, core.Dispatch):
                await self.fire_next(None)
                continue
            plan = self.plan()
            if signal.is_muted or not plan.receivers:
                self._before = self.count - 1
                return
            if plan.watched is not None:
                await self.fire_next(plan)
                continue
            outcome = self.fire_all(plan)
            try:
                if outcome is not True and outcome is not False:
                    outcome = await outcome
            finally:
                self._pause()
            if outcome is True:
                return

    def plan(self) -> core.Plan:
        """Return the receivers of the rows to come."""
        if self.records is None:
            return self.signal._find(self.sender)  # type: ignore[no-any-return]
        return core.Plan(self.records, stand_in(self.signal, self.records))

    def _pause(self) -> None:
        """Take note of the row that the loop is at, and leave it."""
        if self._numbers is not None:
            self._before, self._numbers = self.position, None

    def fire_all(self, plan: core.Plan) -> Any:
        """Call the receivers of a plan for the rows that are left, until it is void; return the loop's result."""
        self.signal._renew(plan.receivers)
        code, loop, constant = self.loop_of(plan)
        first = self._before + 1
        used = [rest_of(self.columns[index - 1], first) for index in code.used]
        self._numbers = repeat(None, self.count - first) if code.is_counted else used.pop(0)
        told = [rest_of(column, first) for _, column in self.varying]
        rows = zip(self._numbers, *used, *told, strict=False)
        setters = [variable.set for variable, _ in self.varying]
        return loop(self.sender, *[self.columns[index] for index in constant], rows, *setters)

    def loop_of(self, plan: core.Plan) -> tuple[LoopCode, Callable[..., Any], list[int]]:
        """Return the code of the loop over rows, the loop, and which columns are the same for all rows.

        A plan keeps its loops, which cost as much to make as 30 rows: not where one of its receivers has died or was
        read again.
        """
        types = self.types
        with_twins = not tools_are_on()
        shape = (self.names, with_twins, types, len(self.varying))
        records, _held = living(plan.receivers)
        is_whole = not plan.is_void and len(records) == len(plan.receivers)
        found: tuple[LoopCode, Callable[..., Any], list[int]] | None = plan.loop(shape) if is_whole else None
        if found is None:
            sites = tuple([site_of(record, self.names, with_twins) for record in records])
            varying = tuple([index for index, each in enumerate(types, 1) if each is not None])
            made = tuple([index for index in varying if types[index - 1] is not list])
            code = loop_code_of(self.names, sites, varying, len(self.varying), made)
            constant = [index for index, each in enumerate(types) if each is None]
            found = code, code.loop(weakref.ref(self.signal), records, plan.void_cell()), constant
            if is_whole:
                plan.remember_loop(shape, found)
        return found

    async def fire_next(self, plan: core.Plan | None) -> None:
        """Fire the signal for the next row, receiver by receiver: while others watch, or a signal of blinker's."""
        self._before += 1
        number = self._before
        for variable, column in self.varying:
            variable.set(column[number])
        both = zip(self.columns, self.types, strict=True)
        values = [column if of is None else column[number] for column, of in both]
        rest = fire(self.signal, self.sender, self.names, values) if plan is None else None
        if plan is not None:
            rest = plan.watched(self.sender, **dict(zip(self.names, values, strict=True)))
        if rest is not None:
            await rest


def types_of_rows(columns: tuple[Any, ...]) -> tuple[type[Any] | None, ...]:
    """Return the types of the parameters that have a value for each row; ``None`` of the others."""
    types = map(type, columns)
    return tuple([each if each is list or issubclass(each, MadeColumn) else None for each in types])


def rest_of(column: list[Any] | MadeColumn[Any], first: int) -> Iterator[Any]:
    """Return an iterator over a column from a row on; one of a list knows how many rows are left."""
    if type(column) is not list:
        return column.rest(first)  # type: ignore[union-attr]
    found = iter(column)
    found.__setstate__(first)  # type: ignore[attr-defined]
    return found
