"""Facts about a function's code object: its parameters, whether it returns anything, how it uses its ``**kwargs``.

Asked by the plans, once for each code object: all closures of one factory share the answers.
"""

from __future__ import annotations

import dis
import inspect
import keyword
import weakref
from collections.abc import Iterator
from functools import cached_property
from types import CodeType
from typing import Any, Final, Literal, NamedTuple, TypeAlias

__all__ = ["CodeFacts", "Parameters", "Use", "facts_of", "inner_code", "is_safe"]

Use: TypeAlias = Literal["nothing", "reads", "keeps"]
"""A function's use of the dict of its ``**kwargs``: never touches it, only looks values up, or anything else."""

GENERATORS: Final = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
NEVER_RETURN: Final = GENERATORS | inspect.CO_COROUTINE
FRAME_READERS: Final = frozenset(
    {"locals", "vars", "eval", "exec", "dir", "_getframe", "currentframe", "stack", "f_locals", "getargvalues"}
)
"""A function that names one of these may get at its own frame, and sees there the function that it is a twin of."""

PASSED_OVER: Final = frozenset({"CACHE", "NOP", "PRECALL", "EXTENDED_ARG", "NOT_TAKEN"})


class Parameters(NamedTuple):
    """The parameters of a code object, in order."""

    positional: tuple[str, ...]
    """Those that may be given by position, positional-only ones first."""
    positional_only: int
    """How many of these may be given by position only."""
    keyword_only: tuple[str, ...]
    takes_any_position: bool
    """There is an ``*args``."""
    takes_any_keyword: bool
    """There is a ``**kwargs``."""


class CodeFacts:
    """The facts about one code object; each is found out when it is first asked for.

    Args:
        code: The code object; only a weak reference is kept.
    """

    def __init__(self, code: CodeType) -> None:
        self.accepted: dict[Any, Any] = {}
        """The parameters that functions of this code accept, by how many of them have defaults: see ``receiver.py``."""
        key = id(code)
        self._code = weakref.ref(code, lambda _gone: FACTS.pop(key, None))

    def is_of(self, code: CodeType) -> bool:
        """Tell whether these are the facts of ``code``, and not of one that had its address."""
        return self._code() is code

    @property
    def code(self) -> CodeType:
        """The code object."""
        code = self._code()
        if code is None:
            raise ReferenceError("the function whose code is asked about is gone")
        return code

    @cached_property
    def parameters(self) -> Parameters:
        """Its parameters."""
        code = self.code
        count = code.co_argcount
        return Parameters(
            code.co_varnames[:count],
            code.co_posonlyargcount,
            code.co_varnames[count : count + code.co_kwonlyargcount],
            bool(code.co_flags & inspect.CO_VARARGS),
            bool(code.co_flags & inspect.CO_VARKEYWORDS),
        )

    @cached_property
    def returns_nothing(self) -> bool:
        """A call can only return ``None``: the plan need not look at the result (6 to 13 ns)."""
        if self.code.co_flags & NEVER_RETURN:
            return False
        before: dis.Instruction | None = None
        for each in dis.get_instructions(self.code):
            if each.opname == "RETURN_CONST":
                if each.argval is not None:
                    return False
            elif each.opname == "RETURN_VALUE" and (
                each.is_jump_target or before is None or before.opname != "LOAD_CONST" or before.argval is not None
            ):
                return False
            if each.opname not in PASSED_OVER:
                before = each
        return True

    @cached_property
    def words(self) -> frozenset[str]:
        """The strings among its constants, and among those of the functions inside it."""
        return frozenset(words_of(self.code))

    @cached_property
    def use_of_keywords(self) -> Use:
        """How a function with ``**kwargs`` uses that dict.

        Functions that touch nothing of it, or only look values up, share one dict: they cannot tell it from their own.
        Bytecode that is not known here is answered with ``"keeps"``: a new version of Python costs speed, never truth.
        """
        code = self.code
        parameters = self.parameters
        name = code.co_varnames[
            len(parameters.positional) + len(parameters.keyword_only) + parameters.takes_any_position
        ]
        if code.co_flags & GENERATORS or name in code.co_cellvars:
            return "keeps"
        found: Use = "nothing"
        local = set(dis.haslocal)
        instructions = [each for each in dis.get_instructions(code) if each.opname not in PASSED_OVER]
        for index, each in enumerate(instructions):
            names = each.argval if isinstance(each.argval, tuple) else (each.argval,)
            if each.opcode not in local or name not in names:
                continue
            loads_it_last = each.opname.startswith("LOAD_FAST") and names[-1] == name and names.count(name) == 1
            if not loads_it_last or not looks_up(instructions[index + 1 : index + 3]):
                return "keeps"
            found = "reads"
        return found

    @cached_property
    def positional_code(self) -> CodeType | None:
        """The same code with its keyword-only parameters and ``kwargs`` as positional ones.

        ``None`` with ``*args``, and where the function looks at its own frame.
        """
        code = self.code
        keywords = bool(code.co_flags & inspect.CO_VARKEYWORDS)
        if code.co_flags & inspect.CO_VARARGS or not (keywords or code.co_kwonlyargcount):
            return None
        if FRAME_READERS.intersection(code.co_names):
            return None
        return code.replace(
            co_argcount=code.co_argcount + code.co_kwonlyargcount + keywords,
            co_kwonlyargcount=0,
            co_flags=code.co_flags & ~inspect.CO_VARKEYWORDS,
        )

    @cached_property
    def twin_maker(self) -> CodeType | None:
        """Code that makes a function of :attr:`positional_code`, over the cells that it finds in its own closure.

        Since 3.13, CPython specialises the calls of a function that a ``def`` has made, and of no other. ``None``:
        there is no twin, or a name in the closure is none that can be written.
        """
        twin = self.positional_code
        if twin is None or not all(map(is_safe, twin.co_freevars)):
            return None
        cells = ", ".join(twin.co_freevars)
        text = f"def outer({cells}):\n def make():\n  def twin(): return ({cells})\n  return twin"
        outer = inner_code(compile(text, "<aldis twin>", "exec", dont_inherit=True))
        make = inner_code(outer)
        return make.replace(co_consts=tuple([twin if isinstance(each, CodeType) else each for each in make.co_consts]))


def is_safe(name: object) -> bool:
    """Tell whether a name may stand in a text: an identifier that the parser leaves as it is.

    Example:
        >>> is_safe("values"), is_safe("class"), is_safe("x=1); import os #")
        (True, False, False)
    """
    return (
        type(name) is str
        and name.isascii()
        and name.isidentifier()
        and not keyword.iskeyword(name)
        and name != "__debug__"
    )


def inner_code(code: CodeType) -> CodeType:
    """Return the code of the one function that is defined in another."""
    return next(each for each in code.co_consts if isinstance(each, CodeType))


def words_of(code: CodeType) -> Iterator[str]:
    """Yield the strings among the constants of a code object, and of those inside it."""
    for each in code.co_consts:
        if isinstance(each, str):
            yield each
        elif isinstance(each, tuple):
            yield from (inner for inner in each if isinstance(inner, str))
        elif isinstance(each, CodeType):
            yield from words_of(each)


def looks_up(after: list[dis.Instruction]) -> bool:
    """Tell whether the code after the load of a dict takes only values from it: ``d["x"]``, ``in d``, ``**d``."""
    if not after:
        return False
    first, *others = after
    if first.opname in {"CONTAINS_OP", "DICT_MERGE", "LOAD_METHOD"}:
        return first.opname != "LOAD_METHOD" or first.argval == "get"
    if first.opname == "LOAD_ATTR":
        return first.argval == "get" and bool((first.arg or 0) & 1)  # a method that is called, not kept
    is_constant = first.opname.startswith("LOAD_") and ("CONST" in first.opname or first.opname == "LOAD_SMALL_INT")
    if not is_constant or not others:
        return False
    second = others[0]
    return second.opname == "BINARY_SUBSCR" or (second.opname == "BINARY_OP" and second.argrepr == "[]")


FACTS: Final[dict[int, CodeFacts]] = {}
"""By the address of the code object: two that are equal may be of different files."""


def facts_of(code: CodeType) -> CodeFacts:
    """Return the facts about a code object.

    Example:
        >>> facts_of((lambda sender, **kwargs: kwargs["a"]).__code__).use_of_keywords
        'reads'
    """
    known = FACTS.get(id(code))
    if known is None or not known.is_of(code):
        known = FACTS[id(code)] = CodeFacts(code)
    return known
