"""The code of plans: Python functions with one call site a receiver, rendered, and compiled once for all alike.

Nothing of a user's is in the text but keywords that are safe names; receivers, conditions and weak references are
cells of the function, where the garbage collector sees them.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable, Sequence
from itertools import count
from types import CoroutineType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from . import core
from .code_facts import inner_code
from .deferral import behind
from .failures import annotate
from .on_request import note_asking
from .records import Receiver
from .sites import Arguments, Site, site_of

if TYPE_CHECKING:
    import weakref

__all__ = [
    "FIRE",
    "INDENT",
    "MOST_CODES",
    "SEND",
    "SEND_ASYNC",
    "Context",
    "PlanCode",
    "kept",
    "living",
    "make_function",
    "renew",
]

FIRE: Final = core.FIRE
"""Call plain functions and coroutine functions; return ``None``, or an awaitable."""
SEND: Final = core.SEND
"""Call plain functions; return each with its result."""
SEND_ASYNC: Final = core.SEND_ASYNC
"""Await coroutine functions; return each with its result."""

OWN_CODE: Final = 64
"""So many plans of one text have a code object each, which the interpreter specialises for their receivers; that
costs 500 bytes. The others share one."""
MOST_CODES: Final = 512

GLOBALS: Final[dict[str, Any]] = {
    "__builtins__": {"Exception": Exception, "type": type},
    "__name__": __name__,
    "__tracebackhide__": True,  # pytest leaves such frames out
    "behind": behind,
    "coroutine": CoroutineType,
    "method": MethodType,
}

INDENT: Final = "    "
MANY: Final = 3
"""So many weak references are cheaper to take all at once, in C, than one by one in the plan."""


class Context:
    """The slow parts of a plan: at an error, a dead receiver, a plain function that returns a coroutine.

    Args:
        reference: A weak reference to the signal.
        records: The receivers that the plan calls, in order.
        names: The names of the values.
        kind: The kind of the plan.
        plan_code: Its code.
    """

    __slots__ = ("kind", "names", "plan_code", "records", "reference")

    def __init__(
        self,
        reference: weakref.ref[Any],
        records: Sequence[Receiver],
        names: tuple[str, ...],
        kind: int,
        plan_code: PlanCode,
    ) -> None:
        self.reference, self.records, self.names, self.kind, self.plan_code = reference, records, names, kind, plan_code

    def note(self, sender: Any) -> None:
        """Note on the error in hand which receiver has raised it: the line of the plan's own frame tells which."""
        error = sys.exception()
        # Its entry is the first of the traceback: the handler that calls this is in that frame.
        traceback = None if error is None else error.__traceback__
        position = None if traceback is None else self.plan_code.lines.get(traceback.tb_lineno)
        if isinstance(error, Exception) and position is not None:
            self.note_at(error, sender, position)

    def note_at(self, error: Exception, sender: Any, position: int) -> None:
        """Note on an error that the receiver at a position has raised it."""
        receiver = self.records[position].itself()
        if receiver is not None:
            annotate(error, self.reference(), sender, receiver)

    def again(self, *arguments: Any) -> Any:
        """Make the send by a new plan: a receiver has died, or its code is another."""
        signal = self.reference()
        if renew(self.records) and signal is not None:
            signal._forget(core.ANY_KEY)
        return make_function(self.reference, self.records, self.names, self.kind)(*arguments)

    async def again_async(self, *arguments: Any) -> Any:
        """Do :meth:`again` for a plan that is awaited."""
        result = self.again(*arguments)
        return await result if type(result) is CoroutineType else result

    async def rest(self, waiting: Any, position: int, arguments: tuple[Any, ...], targets: tuple[Any, ...]) -> None:
        """Await the awaitable that a plain function at ``position`` has returned, and call the receivers after it."""
        keywords = dict(zip(self.names, arguments[1:], strict=True))
        try:
            await waiting
            for record, target in zip(self.records[position + 1 :], targets[position + 1 :], strict=True):
                position += 1
                if not record.is_wanted(arguments[0], keywords):
                    continue
                result = record.deliver(target, arguments[0], keywords)
                if type(result) is CoroutineType or (result is not None and record.is_async):
                    await result
        except Exception as error:
            self.note_at(error, arguments[0], position)
            raise


class PlanCode:
    """The text of plans that differ in their receivers only, compiled.

    Args:
        kind: The kind of the plans.
        names: The names of the values.
        sites: The call sites, in order.
    """

    numbers = count()
    calls_once = True
    """Each receiver is called once, not once a row."""

    def __init__(self, kind: int, names: tuple[str, ...], sites: Sequence[Site]) -> None:
        self.lines: dict[int, int] = {}
        """Which line of the text calls the receiver at which position."""
        self.refs: list[tuple[str, int]] = []
        """The weak references, in the order in which a snapshot takes them."""
        self.cells: dict[str, tuple[str, int]] = {}
        """The letter and the position of each cell, by its name."""
        self.awaits = kind == SEND_ASYNC or (kind == FIRE and self.needs_await(sites))
        self.names, self.kind, self.sites = names, kind, sites
        self.text = self.text_of()
        self.filename = f"<aldis plan {next(self.numbers)}>"
        # Tracebacks show the call. A modification time of None keeps the entry through linecache.checkcache().
        linecache.cache[self.filename] = len(self.text), None, self.text.splitlines(True), self.filename
        module = compile(self.text, self.filename, "exec", dont_inherit=True)
        self.maker = inner_code(module)
        self.code = inner_code(self.maker)
        self.make = FunctionType(self.maker, GLOBALS)
        wanted = self.maker.co_varnames[: self.maker.co_argcount]
        self.wanted = [self.cells[name] if name in self.code.co_freevars else None for name in wanted]
        self.count = 0
        self.returns_coroutine = not self.awaits and kind == FIRE and any(each.parts.is_async for each in sites)
        """Its last receiver is the only coroutine function, and the plan returns its coroutine."""

    @staticmethod
    def needs_await(sites: Sequence[Site]) -> bool:
        """Tell whether a plan is a coroutine function: not if it can return the coroutine of its last receiver."""
        waiting = [each for each in sites if each.parts.is_async]
        return bool(waiting) and not (len(waiting) == 1 and waiting[0] is sites[-1] and not sites[-1].parts.may_wait)

    def cell(self, letter: str, position: int) -> str:
        """Return the name of a cell."""
        name = f"{letter}{position}"
        self.cells[name] = letter, position
        return name

    def text_of(self) -> str:
        """Return the text of a function that only serves to be compiled: in it, the plan."""
        values = ", ".join(f"a{index}" for index in range(len(self.names) + 1))
        head = [*self.take_receivers(values), *self.pack_keywords(), "try:"]
        body = self.body(values, first=len(head) + 3)
        lines = [*head, *(f"{INDENT}{line}" for line in body), *self.tail()]
        cells = ", ".join(dict.fromkeys(self.cells))
        begin = f"def make({cells}):\n{INDENT}{'async ' * self.awaits}def plan({values}):\n"
        return begin + "".join(f"{INDENT * 2}{line}\n" for line in lines) + f"{INDENT}return plan\n"

    def take_receivers(self, values: str) -> list[str]:
        """Return the lines that dereference weakly referenced receivers, for as long as the send takes."""
        found: list[tuple[str, str]] = []
        for position, site in enumerate(self.sites):
            if site.parts.weak == "live":
                found.append((f"r{position}", f"{self.cell('l', position)}()"))
            else:
                for letter in site.parts.weak:
                    self.refs.append((letter, position))
        self.are_many = core.snapshot is not None and len(self.refs) >= MANY
        if not self.are_many:
            found += [(f"{each}{position}", f"{self.cell('w' + each, position)}()") for each, position in self.refs]
        lines = [f"{name} = {value}" for name, value in found]
        gone = [f"{name} is None" for name, _ in found]
        if self.are_many:
            lines.append(f"taken = {self.cell('snapshot', 0)}()")
            gone.append("taken is None")
        if core.ASKS_IN_PLAN:
            gone += self.code_is_another()
        if gone:
            lines.append(f"if {' or '.join(gone)}:")
            lines.append(f"{INDENT}{self.when_gone(values)}")
        if self.are_many and not self.calls_once:
            lines.append(f"{', '.join(f'{each}{position}' for each, position in self.refs)} = taken")
        return lines

    def taken(self, letter: str, position: int) -> str:
        """Return the text of the function or the owner behind a weak reference, or of a function that is held."""
        if self.are_many and self.calls_once and (letter, position) in self.refs:
            return f"taken[{self.refs.index((letter, position))}]"  # to unpack them takes longer, for one call each
        return f"{letter}{position}"

    def tail(self) -> list[str]:
        """Return the lines after the calls, for an error."""
        return ["except Exception:", f"{INDENT}{self.cell('context', 0)}.note(a0)", f"{INDENT}raise"]

    def when_gone(self, values: str) -> str:
        """Return the statement for a receiver that has died since the plan was made."""
        again = "await context0.again_async" if self.awaits else "context0.again"
        return f"return {again}({values})"

    def code_is_another(self) -> list[str]:
        """Return the code that asks, where no C does it, whether the receivers' code is still the same."""
        found = []
        for position, site in enumerate(self.sites):
            if site.parts.asks == "function":
                function = f"r{position}" if site.parts.weak else self.cell("f", position)
                found.append(f"{function}.__code__ is not {self.cell('q', position)}")
            elif site.parts.asks:
                found.append(f"not {self.cell('asked', position)}()")
        return found

    def pack_keywords(self) -> list[str]:
        """Return the lines that make the dicts of the twins: one for all that take the same names."""
        self.packs: dict[int, str] = {}
        self.made: dict[tuple[int, ...], str] = {}
        users: dict[str, list[int]] = {}
        for position, site in enumerate(self.sites):
            packed = site.parts.form.packed
            if site.parts.has_twin and packed is not None:
                pack = self.made.setdefault(packed, f"k{len(self.made)}")
                users.setdefault(pack, []).append(position)
        for pack, positions in users.items():
            for position in positions:
                # Who may change or keep it gets a copy; the last of all may have it itself.
                keeps = self.sites[position].parts.use == "keeps" and self.is_needed_after(position, positions)
                self.packs[position] = f"{pack}.copy()" if keeps else pack
        return [f"{pack} = {self.dict_of(packed)}" for packed, pack in self.made.items()]

    def is_needed_after(self, position: int, positions: Sequence[int]) -> bool:
        """Tell whether a dict is needed after the call at a position; ``positions`` are those that get it."""
        return position != positions[-1]

    def dict_of(self, packed: tuple[int, ...]) -> str:
        """Return the text of the dict of some values by their names."""
        return f"{{{', '.join(f'{self.names[index - 1]!r}: a{index}' for index in packed)}}}"

    def call(self, position: int) -> str:
        """Return the text of the call of the receiver at a position."""
        site = self.sites[position]
        parts = site.parts
        arguments = Arguments(self.names)
        name = self.taken(site.callee, position)
        if not parts.weak:
            self.cell("r", position)
        given = [self.taken("o", position)] if "o" in parts.weak else []
        if parts.has_twin:
            given += arguments.of_twin(parts.form, self.packs.get(position))
        else:
            given += arguments.of(parts.form)
        return f"{name}({', '.join(given)})"

    def body(self, values: str, first: int) -> list[str]:
        """Return the lines of the calls, and note which line is whose; ``first`` is the number of the first line."""
        if self.kind != FIRE:
            lines = ["return ["]
            for position in range(len(self.sites)):
                called = f"{'await ' * self.awaits}{self.call(position)}"
                self.lines[first + len(lines)] = position
                lines.append(f"{INDENT}({self.result_name(position)}, {called}),")
            return [*lines, "]"]
        lines = []
        targets = ", ".join(self.target(position) for position in range(len(self.sites)))
        for position, site in enumerate(self.sites):
            indent = ""
            if site.parts.condition is not None:
                given = ", ".join(Arguments(self.names).of(site.parts.condition))
                self.lines[first + len(lines)] = position
                lines.append(f"if {self.cell('c', position)}({given}):")
                indent = INDENT
            self.lines[first + len(lines)] = position
            called = self.call(position)
            lines.append(indent + self.statement(position, site.parts, called, values, targets))
        return lines or ["pass"]

    def statement(self, position: int, parts: Any, called: str, values: str, targets: str) -> str:
        """Return the statement that calls one receiver of a plan that fires, and awaits it where that is needed."""
        if parts.is_async:
            if not self.awaits:
                return f"return {called}"
            return f"if (x := {called}) is not None: await x" if parts.may_wait else f"await {called}"
        if parts.returns_nothing:
            return called
        then = "await x" if self.awaits else f"return context0.rest(x, {position}, ({values},), ({targets},))"
        return f"if (x := {called}) is not None and type(x) is coroutine: {then}"

    def target(self, position: int) -> str:
        """Return the function that :meth:`Context.rest` calls as the receiver at a position, by name."""
        parts = self.sites[position].parts
        if not parts.weak:
            return self.cell("r" if not parts.has_twin else "n", position)
        return self.of_weak(position)

    def of_weak(self, position: int) -> str:
        """Return the text of the weakly referenced receiver at a position."""
        receiver = self.taken("r", position)
        is_method = "o" in self.sites[position].parts.weak
        return f"method({receiver}, {self.taken('o', position)})" if is_method else receiver

    def result_name(self, position: int) -> str:
        """Return the receiver as a result names it: the connected one, whatever is called in its place."""
        parts = self.sites[position].parts
        if parts.weak == "live":
            return f"behind(r{position})"
        if parts.weak:
            return self.of_weak(position)
        return self.cell("n", position)

    def function(self, reference: weakref.ref[Any], records: Sequence[Receiver]) -> Callable[..., Any]:
        """Return a plan of this code for some receivers."""
        make = self.make
        if self.count < OWN_CODE:
            own = tuple([each.replace() if each is self.code else each for each in self.maker.co_consts])
            make = FunctionType(self.maker.replace(co_consts=own), GLOBALS)
            self.count += 1
        context = Context(reference, records, self.names, self.kind, self)
        # Since 3.13, CPython specialises the calls of a function that a ``def`` has made, and no others.
        return make(*[None if each is None else self.value(*each, context) for each in self.wanted])  # type: ignore[no-any-return]

    def value(self, letter: str, position: int, context: Context) -> Any:
        """Return the content of a cell."""
        if letter == "context":
            return context
        if letter == "snapshot":
            return core.snapshot(tuple([weak_reference(context.records[at], each) for each, at in self.refs]))
        record = context.records[position]
        if letter.startswith("w"):
            return weak_reference(record, letter[1])
        if letter == "r" and self.sites[position].parts.has_twin:
            return record.strong_twin()
        return CELLS[letter](record)


CELLS: Final[dict[str, Callable[[Receiver], Any]]] = {
    "r": Receiver.live,
    "n": Receiver.itself,
    "l": lambda record: record.live,
    "c": lambda record: None if record.options.when is None else record.options.when.function,
    "asked": lambda record: record.is_as_read,
    "f": lambda record: record.sources[0],
    "q": lambda record: record.codes[0],
}
"""The content of a receiver's cell, by its letter."""


def renew(records: Sequence[Receiver]) -> bool:
    """Read the receivers again whose code is another than it was; tell whether there were any."""
    found = False
    for record in records:
        if not record.is_as_read() and (receiver := record.itself()) is not None:
            record.renew(receiver)
            if record.asks:
                note_asking(None)
            found = True
    return found


def weak_reference(record: Receiver, letter: str) -> Any:
    """Return one of the weak references that lead to a receiver: to it, to its owner, or to its twin."""
    if letter == "t":
        return record.weak_twin() or gone
    if not record.is_method:
        return record.reference
    return record.sources[0] if letter == "r" else record.owner


def gone() -> None:
    """Stand for a weak reference to what is not there: another thread has just replaced the receiver's code."""


CODES: Final[dict[Any, PlanCode]] = {}
"""By kind, names and sites; the one that was made first goes first when there are too many."""


def plan_code_of(kind: int, names: tuple[str, ...], sites: tuple[Site, ...]) -> PlanCode:
    """Return the code of a plan."""
    return kept(CODES, (kind, names, sites), lambda: PlanCode(kind, names, sites))


C = TypeVar("C", bound=PlanCode)


def kept(codes: dict[Any, C], key: Any, make: Callable[[], C]) -> C:
    """Return the code that is kept under a key, made where there is none; another thread may do so at the same time."""
    found = codes.get(key)
    if found is None:
        found = codes[key] = make()
        for oldest in list(codes)[:-MOST_CODES]:
            gone = codes.pop(oldest, None)
            if gone is not None:
                linecache.cache.pop(gone.filename, None)
    return found


def living(records: Sequence[Receiver]) -> tuple[list[Receiver], list[Callable[..., Any]]]:
    """Return the records of the receivers that are alive, and the receivers, so that they stay so for a while."""
    found = [(record, receiver) for record in records if (receiver := record.itself()) is not None]
    return [record for record, _ in found], [receiver for _, receiver in found]


def make_function(
    reference: weakref.ref[Any],
    records: Sequence[Receiver],
    names: tuple[str, ...],
    kind: int,
    with_twins: bool = True,
) -> Callable[..., Any]:
    """Return a new plan for those of the receivers that are alive."""
    records, _held = living(records)
    sites = tuple([site_of(record, names, with_twins) for record in records])
    return plan_code_of(kind, names, sites).function(reference, records)
