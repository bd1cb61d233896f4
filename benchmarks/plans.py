"""A send through ``signal.plan`` beside a hand-written function, and ``send_async`` beside blinker's, in turns.

``python benchmarks/plans.py [TURNS]``. Each receiver has code of its own, and names the instance alone. A turn calls
each candidate some thousand times, in an order that changes; a figure is the median of the turns' ratios of the
thread's CPU time. Of async candidates, each call is awaited to its end, and nothing suspends. The last rows are of many
senders that have the same receivers, weakly referenced: connects, and the first send of each.
"""

from __future__ import annotations

import gc
import platform
import sys
import tracemalloc
from collections.abc import Callable, Iterable
from statistics import median
from time import thread_time_ns
from typing import Any

import blinker

import aldis
from aldis.dispatch.signal import LifecycleSignal

NAMES = ("instance", "model_instance", "values", "column_values", "is_update", "is_migration")
VALUES = "1, 2, d1, d2, False, False"
KEYWORDS = ", ".join(f"{name}={value}" for name, value in zip(NAMES, VALUES.split(", "), strict=True))
CALLS = 2000
SENDERS = 10_000

AIMS = {  # over the hand-written function, at 1, 5 and 20 receivers
    ("strong", "sync"): (1.5, 1.25, 1.2),
    ("strong", "async"): (1.15, 1.15, 1.15),
    ("weak", "sync"): (2.0, 1.55, 1.55),
    ("weak", "async"): (1.3, 1.3, 1.3),
}


class Sender:
    """Stands for a model class."""


def made(source: str, name: str, **names: Any) -> Any:
    """Return what a text defines."""
    scope = {"S": Sender, "d1": {}, "d2": {}, **names}
    exec(source, scope)
    return scope[name]


def receivers(count: int, kind: str, parameters: str) -> list[Callable[..., Any]]:
    """Make receivers, each compiled from a text of its own."""
    word = "async def" if kind == "async" else "def"
    return [made(f"{word} receiver_{number}({parameters}): ...", f"receiver_{number}") for number in range(count)]


def laps(body: str, kind: str, **names: Any) -> Callable[[], Any]:
    """Return a function that runs a body, indented by eight spaces, ``CALLS`` times."""
    word = "async def" if kind == "async" else "def"
    given = ", ".join(f"{name}={name}" for name in names)
    lap: Callable[[], Any] = made(
        f"{word} laps(calls={CALLS}, {given}):\n    for _ in range(calls):\n{body}", "laps", **names
    )
    return lap


def time_of(lap: Callable[[], Any]) -> int:
    """Return the CPU time of a lap, in nanoseconds."""
    began = thread_time_ns()
    found = lap()
    if found is not None:
        try:
            found.send(None)
        except StopIteration:
            pass
        else:
            raise AssertionError("suspended")
    return thread_time_ns() - began


def ratios(candidates: dict[str, Callable[[], Any]], peer: str, turns: int) -> dict[str, float]:
    """Return the median of the turns' ratios of each candidate over the peer."""
    found: dict[str, list[float]] = {name: [] for name in candidates}
    order = list(candidates)
    for _ in range(turns + 2):
        order.append(order.pop(0))
        times = {name: time_of(candidates[name]) for name in order}
        for name in order:
            found[name].append(times[name] / times[peer])
    return {name: median(each[2:]) for name, each in found.items()}


def plans(kind: str, count: int, turns: int) -> Iterable[tuple[str, float, float]]:
    """Measure plans of strong and weak receivers, over a function that calls them by hand."""
    heard = receivers(count, kind, "sender, instance")
    wait = "await " if kind == "async" else ""
    calls = "\n".join(f"    {wait}{each.__name__}(sender, instance)" for each in heard)
    by_hand = made(
        f"{'async ' * (kind == 'async')}def by_hand(sender, {', '.join(NAMES)}):\n{calls}",
        "by_hand",
        **{each.__name__: each for each in heard},
    )
    candidates = {"by hand": laps(f"        {wait}by_hand(S, {VALUES})", kind, by_hand=by_hand)}
    through = f"        plan = signal.plan(S)\n        if plan is not None:\n            {wait}plan(S, {VALUES})"
    for weak in (False, True):
        signal = LifecycleSignal("ping", {None: NAMES})
        for each in heard:
            signal.connect(each, Sender, weak=weak)
        candidates["weak" if weak else "strong"] = laps(through, kind, signal=signal)
    found = ratios(candidates, "by hand", turns)
    for name in ("strong", "weak"):
        yield f"{name}, {kind}, {count}", found[name], AIMS[name, kind][(1, 5, 20).index(count)]


def against_blinker(kind: str, count: int, turns: int) -> float:
    """Measure five plans' receivers over blinker's, which take all keywords; or ``send_async`` to nobody."""
    wait, send = ("await ", "send_async") if kind == "async" else ("", "send")
    ours, theirs = aldis.Signal(), blinker.Signal()
    kept = receivers(count, kind, "sender, instance"), receivers(count, kind, f"sender, {', '.join(NAMES)}")
    for signal, some in zip((ours, theirs), kept, strict=True):
        for each in some:
            signal.connect(each, Sender, weak=False)
    of_plan = f"        plan = signal.plan(S, names)\n        {wait}plan(S, {VALUES})"
    of_send = f"        {wait}signal.{send}(S, {KEYWORDS})"
    found = ratios(
        {
            "aldis": laps(of_plan if count else of_send, kind, signal=ours, names=NAMES),
            "blinker": laps(of_send, kind, signal=theirs),
        },
        "aldis",
        turns,
    )
    return found["blinker"]


def first_sends(count: int) -> tuple[float, float]:
    """Measure a connect of some receivers to each of 10,000 senders, and the first send of each.

    Returns:
        The CPU time over blinker's, the median of five turns; and the bytes that a plan takes.
    """
    heard = receivers(count, "sync", "sender, instance=None, **kwargs")

    def lap(kind: Callable[[], Any]) -> int:
        signal, senders = kind(), [Sender() for _ in range(SENDERS)]
        gc.collect()
        gc.disable()
        began = thread_time_ns()
        for sender in senders:
            for each in heard:
                signal.connect(each, sender)
            signal.send(sender, instance=1)
        took = thread_time_ns() - began
        gc.enable()
        return took

    ratio = median([lap(aldis.Signal) / lap(blinker.Signal) for _ in range(7)][2:])
    signal, senders = aldis.Signal(), [Sender() for _ in range(SENDERS)]
    for sender in senders:
        for each in heard:
            signal.connect(each, sender)
    gc.collect()
    tracemalloc.start()
    for sender in senders:
        signal.send(sender, instance=1)
    gc.collect()
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return ratio, size / SENDERS


def without_keywords(turns: int) -> float:
    """Measure ``send_async`` of the sender alone, to nobody, against blinker's."""
    body = "        await signal.send_async(S)"
    candidates = {
        "aldis": laps(body, "async", signal=aldis.Signal()),
        "blinker": laps(body, "async", signal=blinker.Signal()),
    }
    return ratios(candidates, "aldis", turns)["blinker"]


def main(turns: int) -> None:
    """Measure, and print the ratios beside the aims."""
    is_old = sys.version_info < (3, 12)
    print(f"CPython {platform.python_version()}, {aldis.backend} core, {turns} turns of {CALLS} calls")
    for kind in ("sync", "async"):
        for count in (1, 5, 20):
            for name, ratio, aim in plans(kind, count, turns):
                print(f"{name}: {ratio:.2f} of by hand (at most {aim})")
    for kind, aim in (("sync", 20 if is_old else 35), ("async", 10 if is_old else 13)):
        print(f"blinker, {kind}, 5: {against_blinker(kind, 5, turns):.1f} times a plan (at least {aim})")
    print(f"blinker, send_async to nobody: {against_blinker('async', 0, turns):.2f} times ours (at least 2.2)")
    print(f"blinker, send_async to nobody, no keywords: {without_keywords(turns):.2f} times ours (at least 1.3)")
    for count in (1, 5):
        ratio, size = first_sends(count)
        told = f"{ratio:.2f} of blinker's (at most 1.5), {size:,.0f} bytes a plan (at most 1,100)"
        print(f"{SENDERS:,} senders, connect {count} and send once: {told}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
