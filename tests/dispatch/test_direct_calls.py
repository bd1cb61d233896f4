"""A send does what a direct call of the receiver does: some hundred kinds of callables, on both cores, by all ways."""

from __future__ import annotations

import contextlib
import cProfile
import functools
import gc
import inspect
import pickle
import pstats
import sys
import types
from unittest import mock

import pytest

KEYWORDS = {"instance": 10, "a": 1, "b": [2]}


def source(text):
    """Return a receiver that a text defines, in a module of its own."""

    def make():
        namespace = {"functools": functools, "sys": sys, "inspect": inspect}
        exec(text, namespace)
        return namespace["f"]

    return make


TEXTS = {
    "everything": "def f(sender, **kwargs): return sender, kwargs",
    "instance and the rest": "def f(sender, instance, **kwargs): return instance, kwargs",
    "out of order": "def f(sender, b, instance, **kw): return b, instance, kw",
    "all named": "def f(sender, a, b, instance): return a, b, instance",
    "default that is sent": "def f(sender, a=5, **kwargs): return a, kwargs",
    "default that is not sent": "def f(sender, z=5, **kwargs): return z, kwargs",
    "default between": "def f(sender, a, z=5, b=None, **kwargs): return a, z, b, kwargs",
    "keyword only": "def f(sender, *, a, **kwargs): return a, kwargs",
    "keyword only, nothing else": "def f(sender, *, a, b, instance): return a, b, instance",
    "keyword only with a default": "def f(sender, *, z=3, **kwargs): return z, kwargs",
    "positional only sender": "def f(sender, /, **kwargs): return sender, kwargs",
    "positional only with a default": "def f(sender, a=3, /, **kwargs): return a, kwargs",
    "another name for the sender": "def f(model, **kwargs): return model, kwargs",
    "variadic": "def f(*args, **kwargs): return args, kwargs",
    "variadic after the sender": "def f(sender, *args, **kwargs): return args, kwargs",
    "annotated": "def f(sender: str, **kwargs: int) -> None: return kwargs",
    "lambda": "f = lambda sender, **kw: (sender, kw)",
    "changes its keywords": "def f(sender, **kw): kw['new'] = kw.pop('a'); return kw",
    "clears its keywords": "def f(sender, **kw):\n old = dict(kw)\n kw.clear()\n return old",
    "keeps its keywords": "kept = []\ndef f(sender, **kw):\n kept.append(kw)\n return [dict(k) for k in kept][-1]",
    "in place": "def f(sender, **kw): kw |= {'z': 1}; return kw",
    "adds to one": "def f(sender, **kw): kw['a'] += 1; return kw",
    "deletes one": "def f(sender, **kw): del kw['a']; return kw",
    "sets a default": "def f(sender, **kw): kw.setdefault('z', 1); return kw",
    "rebinds": "def f(sender, **kw):\n old = dict(kw)\n kw = {'z': 3}\n return old, kw",
    "forgets": "def f(sender, **kw):\n n = len(kw)\n del kw\n return n",
    "closure": "def f(sender, **kw):\n def inner(): kw['z'] = 1; return kw\n return dict(kw), inner()",
    "free variables": "def outer(z, y, a):\n def f(sender, **kw): return y, z, a, kw\n return f\nf = outer(1, 2, 3)",
    "free variable of other letters": "def outer(\u017f):\n def f(sender, **kw): return s, kw\n return f\nf = outer(1)",
    "its own class": "class K:\n def f(sender, **kw): return __class__.__name__, kw\nf = K.f",
    "class body": "def f(sender, **kw):\n class K: v = kw\n return K.v",
    "comprehension": "def f(sender, **kw): return [k for k in kw], {k: kw[k] for k in kw}",
    "reads": "def f(sender, **kw): return kw['a'], kw.get('b'), kw.get('z', 3), 'a' in kw",
    "reads twice at once": "def f(sender, **kw): return (lambda x, y: (x, y))(kw, kw['a'])",
    "bound get": "def f(sender, **kw):\n g = kw.get\n g.__self__['z'] = 1\n return g('z')",
    "hands on": "def g(**kw): return kw\ndef f(sender, **kw): return g(**kw), dict(kw, z=1)",
    "matches": "def f(sender, **kw):\n match kw:\n  case {'a': a, **rest}: return a, rest",
    "locals": "def f(sender, **kw): return sorted(locals())",
    "eval": "def f(sender, **kw): return eval('kw')",
    "frame": "def f(sender, **kw): return dict(sys._getframe().f_locals)['kw'], sys._getframe().f_code is f.__code__",
    "frame's arguments": "def f(sender, **kw): return inspect.getargvalues(sys._getframe())[:3]",
    "generator": "def g(sender, **kw): yield kw['a']\ndef f(sender, **kw): return list(g(sender, **kw))",
    "recursion": "def f(sender, n=0, **kw): return (f(sender, n + 1, **kw), kw) if n < 3 else kw",
    "many locals": "def f(sender, **kw):\n" + "".join(f" v{i} = {i}\n" for i in range(300)) + " return kw, v299",
    "raises": "def f(sender, **kw): raise KeyError(tuple(kw))",
    "raises a TypeError": "def f(sender, **kw): raise TypeError('mine')",
    "counts on itself": "def f(sender, **kw):\n f.n = getattr(f, 'n', 0) + 1\n return f.n",
    "partial": "def g(x, sender, **kw): return x, kw\nf = functools.partial(g, 1)",
    "partial by keyword": "def g(sender, a, z, **kw): return a, z, kw\nf = functools.partial(g, z=1)",
    "wraps": "def g(sender, **kw): return kw\n@functools.wraps(g)\ndef f(*args, **kw): return 'w', g(*args, **kw)",
    "wraps and names": (
        "def g(sender, **kw): return kw\n@functools.wraps(g)\ndef f(sender, a, **kw): return a, g(sender, **kw)"
    ),
    "cached": "@functools.lru_cache\ndef f(sender, *, instance, a, **kw): return instance, a, sorted(kw)",
    "dispatched": "@functools.singledispatch\ndef f(sender, **kw): return kw",
    "lies of more": "def f(sender, **kw): return kw\nf.__signature__ = inspect.signature(lambda s, instance, **kw: 0)",
    "lies of less": "def f(sender, a, **kw): return a, kw\nf.__signature__ = inspect.signature(lambda s, **kw: 0)",
    "lies of order": (
        "def f(sender, a, b, **kw): return a, b, kw\nf.__signature__ = inspect.signature(lambda s, b, a, **kw: 0)"
    ),
    "object": "class K:\n def __call__(self, sender, a, **kw): return a, kw\nf = K()",
    "object with slots": "class K:\n __slots__ = '__weakref__'\n def __call__(self, sender, **kw): return kw\nf = K()",
    "method": "class K:\n def m(self, sender, **kw): return type(self).__name__, kw\nk = K()\nf = k.m",
    "method, keyword only": "class K:\n def m(self, sender, *, a, **kw): return a, kw\nk = K()\nf = k.m",
    "class method": "class K:\n @classmethod\n def m(cls, sender, **kw): return cls.__name__, kw\nf = K.m",
    "static method": "class K:\n @staticmethod\n def m(sender, **kw): return kw\nf = K.m",
    "static method itself": "@staticmethod\ndef f(sender, **kw): return kw",
    "method by partial": (
        "class K:\n def g(self, x, sender, **kw): return x, kw\n m = functools.partialmethod(g, 7)\nk = K()\nf = k.m"
    ),
    "class": "class f:\n def __init__(self, sender, **kw): self.kw = kw\n def __repr__(self): return repr(self.kw)",
    "code of another": "def g(sender, a, **kw): return a, kw\ndef f(sender, **kw): return kw\nf.__code__ = g.__code__",
}


@contextlib.contextmanager
def nothing(sender, **kwargs):
    yield sender, kwargs


def in_context():
    def receiver(sender, **kwargs):
        with nothing(sender, **kwargs) as found:
            return found

    return receiver


def decorated_by_copying_the_dict():
    def decorate(function):
        def wrapper(sender, **kwargs):
            return "wrapped", function(sender, **kwargs)

        wrapper.__name__ = function.__name__
        wrapper.__dict__.update(function.__dict__)
        return wrapper

    return decorate(decorate(source(TEXTS["everything"])()))


KINDS = {
    **{name: source(text) for name, text in TEXTS.items()},
    "mock": lambda: mock.MagicMock(return_value=3),
    "mock with a specification": lambda: mock.create_autospec(lambda sender, instance, **kw: 1, return_value=4),
    "context manager": in_context,
    "dict copied": decorated_by_copying_the_dict,
}


def outcome(call):
    """Return what a call returned or raised, so that it can be compared."""
    try:
        return repr(call())
    except Exception as error:
        return type(error).__name__, str(error)


def spoils(sender, **kwargs):
    kwargs["spoilt"] = True
    kwargs.pop("a", None)


def spoils_too(sender, **kwargs):
    kwargs.clear()


@pytest.mark.parametrize("weak", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_send_is_a_direct_call(core, kind, weak) -> None:
    directly, receiver = KINDS[kind](), KINDS[kind]()
    signal = core.Signal()
    signal.connect(spoils)
    try:
        signal.connect(receiver, weak=weak)
    except core.SignalError:
        assert weak
        pytest.skip("it takes no weak references")
    signal.connect(spoils_too)
    for _ in range(5):  # the first sends go another way than those after them
        expected = outcome(lambda: directly("shop", **KEYWORDS))
        assert outcome(lambda: signal.send("shop", **KEYWORDS)[1][1]) == expected


@pytest.mark.parametrize("weak", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_emission_and_series_are_direct_calls(core, kind, weak) -> None:
    if kind.startswith(("mock", "object with", "cached")) or "lies" in kind:
        pytest.skip("the log cannot stand in its place")
    values = {"instance": 10, "model_instance": 11, "injected_filters": [12]}
    seen = []

    def logs(function):
        def logged(*args, **kwargs):
            seen.append(repr((args, sorted(kwargs.items()))))
            return function(*args, **kwargs)

        return logged

    receiver = logs(KINDS[kind]())
    signal = core.Signal()
    signal.connect(spoils)
    signal.connect(receiver, weak=weak)
    signal.connect(spoils_too)
    outcome(lambda: core.emitters.pre_delete(signal, "shop", *values.values()))
    outcome(lambda: core.Series(core.emitters.pre_delete, signal, "shop", ([10, 10], [11, 11], [[12], [12]])).go())
    assert set(seen) == {repr((("shop",), sorted(values.items())))}


def test_keyword_of_the_first_parameters_name_is_refused_as_by_a_call(core) -> None:
    class Thing:
        def hear(self, sender, **kwargs): ...

    def everything(sender, **kwargs): ...
    def alone(sender): ...

    thing = Thing()
    for receiver, keyword in ((everything, "sender"), (alone, "sender"), (thing.hear, "sender"), (thing.hear, "self")):
        signal = core.Signal()
        signal.connect(receiver)
        for _ in range(4):
            with pytest.raises(TypeError, match=f"got multiple values for argument '{keyword}'"):
                signal.send("shop", **{keyword: 5})


SWAPPED = "def f(sender, b, instance, **kw): return 'new', b, instance, kw"
REPLACEMENTS = {
    "other names": (
        "def f(sender, instance, **kw): return instance, kw",
        "def f(sender, a, **kw): return 'new', a, kw",
    ),
    "swapped": ("def f(sender, instance, b, **kw): return instance, b, kw", SWAPPED),
    "swapped, named alone": (
        "def f(sender, instance, b): return instance, b",
        "def f(sender, b, instance): return b, 9",
    ),
    "fewer": ("def f(sender, instance, **kw): return instance, kw", "def f(sender, **kw): return 'new', kw"),
    "more": ("def f(sender, **kw): return kw", "def f(sender, instance, a): return instance, a"),
    "the same names": ("def f(sender, **kw): return kw", "def f(sender, **kw): return 'new', kw"),
}


@pytest.mark.parametrize("weak", [False, True])
@pytest.mark.parametrize("kind", REPLACEMENTS)
def test_code_that_is_replaced_after_connect_is_what_is_called(core, kind, weak) -> None:
    before, after = (source(text)() for text in REPLACEMENTS[kind])

    signals = []
    for receiver in (before, functools.wraps(before)(lambda *args, **kwargs: before(*args, **kwargs))):
        signal = core.Signal()
        signal.connect(receiver, weak=weak and receiver is before)
        signals.append(signal)
    for signal in signals:
        for _ in range(4):
            signal.send("shop", **KEYWORDS)
    before.__code__ = after.__code__
    parameters = inspect.signature(after).parameters
    everything = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    sent = {name: value for name, value in KEYWORDS.items() if everything or name in parameters}
    for signal in signals:
        for _ in range(4):
            assert signal.send("shop", **KEYWORDS) == [(mock.ANY, after("shop", **sent))]


@pytest.mark.filterwarnings("ignore:Assigning a code object:DeprecationWarning")
def test_function_that_becomes_a_coroutine_function_is_awaited(core) -> None:
    signal, seen = core.Signal(), []

    def receiver(sender, instance): ...

    async def other(sender, instance):
        seen.append(instance)

    receiver = types.FunctionType(receiver.__code__, {}, "receiver", None, None)
    other_code = compile("async def f(sender, instance): SEEN.append(instance)", "x", "exec").co_consts[0]
    receiver.__globals__["SEEN"] = seen
    signal.connect(receiver)
    assert core.emitters.pre_delete(signal, "shop", 1, 2, 3) is None
    receiver.__code__ = other_code
    assert core.emitters.pre_delete(signal, "shop", 4, 2, 3) is None
    assert seen == [4]


def test_defaults_that_are_replaced_after_connect_count(core) -> None:
    signal = core.Signal()

    @signal.connect
    def receiver(sender, z=1, *, y=2, **kwargs):
        return z, y

    for _ in range(4):
        assert signal.send("shop", a=1) == [(receiver, (1, 2))]
    receiver.__defaults__, receiver.__kwdefaults__ = (7,), {"y": 8}
    assert signal.send("shop", a=1) == [(receiver, (7, 8))]


def test_function_that_took_over_anothers_attributes_is_called_itself(core) -> None:
    def tenant(name):
        def receiver(sender, **kwargs):
            return name

        return receiver

    one, two = tenant("one"), tenant("two")
    first, second = core.Signal(), core.Signal()
    first.connect(one)
    for _ in range(4):
        first.send("shop", a=1)
    two.__dict__.update(one.__dict__)
    second.connect(two)
    for _ in range(4):
        assert second.send("shop", a=1) == [(two, "two")]
        assert first.send("shop", a=1) == [(one, "one")]
    two.__dict__.clear()
    one.__dict__.clear()
    gc.collect()
    assert second.send("shop", a=1) == [(two, "two")]


def test_weak_receiver_whose_closure_leads_back_to_it_dies(core) -> None:
    import weakref

    class Service:
        def begin(self, signal):
            def hear(sender, **kwargs):
                return self

            self.hear = hear
            signal.connect(hear)
            return weakref.ref(hear)

    signal = core.Signal()
    gone = Service().begin(signal)
    for _ in range(4):
        signal.send("shop", a=1)
    gc.collect()
    assert gone() is None
    assert signal.send("shop", a=1) == []


def profiled_receiver(sender, **kwargs):
    return len(kwargs)


def test_profiler_sees_as_many_calls_as_were_made(core) -> None:
    signal = core.Signal()
    signal.connect(profiled_receiver)
    for _ in range(4):
        signal.send("shop", a=1)
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(3):
        profiled_receiver("shop", a=1)
    for _ in range(5):
        signal.send("shop", a=1)
        core.emitters.pre_delete(signal, "shop", 1, 2, 3)
    profile.disable()
    calls = [figures[1] for key, figures in pstats.Stats(profile).stats.items() if key[2] == "profiled_receiver"]
    assert calls == [13]
    assert signal.send("shop", a=1) == [(profiled_receiver, 1)]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring is of 3.12")
@pytest.mark.parametrize("when", ["before connect", "after sends"])
def test_monitoring_of_one_function_sees_its_calls(core, when) -> None:
    monitoring, lines = sys.monitoring, []

    def receiver(sender, **kwargs):
        return len(kwargs)

    signal = core.Signal()
    monitoring.use_tool_id(4, "test")
    try:
        monitoring.register_callback(4, monitoring.events.LINE, lambda code, line: lines.append(line))
        if when == "before connect":
            monitoring.set_local_events(4, receiver.__code__, monitoring.events.LINE)
        signal.connect(receiver)
        for _ in range(4):
            signal.send("shop", a=1)
        monitoring.set_local_events(4, receiver.__code__, monitoring.events.LINE)
        lines.clear()
        receiver("shop")
        directly = len(lines)
        signal.send("shop", a=1)
        core.emitters.pre_delete(signal, "shop", 1, 2, 3)
        assert len(lines) == 3 * directly > 0
    finally:
        monitoring.set_local_events(4, receiver.__code__, 0)
        monitoring.register_callback(4, monitoring.events.LINE, None)
        monitoring.free_tool_id(4)


@pytest.mark.parametrize("name", ["a b", "class", "ﬁ", "__debug__", "x=1); import os #", "'", "\\", "é", "sender "])
def test_any_keyword_reaches_the_receivers(core, name) -> None:
    signal = core.Signal()
    signal.connect(lambda sender, **kwargs: dict(kwargs), weak=False)
    signal.connect(lambda *args, **kwargs: dict(kwargs), weak=False)
    for _ in range(5):
        assert [value for _, value in signal.send("shop", **{name: 1, "x": 2})] == [{name: 1, "x": 2}] * 2


def test_keyword_of_a_class_derived_from_str_is_no_text_of_a_program(core) -> None:
    class Name(str):
        __slots__ = ()

        def __repr__(self) -> str:
            return "__import__('os').abort()"

    signal = core.Signal()
    signal.connect(lambda sender, **kwargs: kwargs, weak=False)
    for _ in range(5):
        ((_, value),) = signal.send("shop", **{Name("x y"): 1})
        assert value == {"x y": 1}


def test_signal_with_receivers_leaves_functions_that_can_be_pickled(core) -> None:
    signal = core.Signal()
    signal.connect(profiled_receiver)
    for _ in range(4):
        signal.send("shop", a=1)
    assert pickle.loads(pickle.dumps(profiled_receiver.__dict__)) is not None
