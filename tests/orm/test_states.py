"""What is done to every instance of a batch, in C and in Python: both do the same."""

from __future__ import annotations

import importlib
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import aldis
from aldis.orm.mapping import _pure_states as pure
from aldis.orm.mapping.settable import Noting

BOTH = [pure]
if aldis.backend == "compiled":
    BOTH.append(importlib.import_module("aldis.orm.mapping._compiled_states"))

NOTHING = object()
VALUES = st.one_of(st.none(), st.integers(), st.text(max_size=3), st.datetimes(), st.just(NOTHING))
NAMES = st.sampled_from(["_sa_instance_state", "a", "b", "ü", "a long name"])
PLAIN = {int, str, type(None)}
"""Types of VALUES: not those of datetimes and of NOTHING."""


class Unequal:
    """Is never asked whether it equals something."""

    def __eq__(self, other: object) -> bool:
        raise AssertionError

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize("rows", BOTH)
@pytest.mark.parametrize("attributes", [None, {"id": "id", "mail_column": "mail"}])
def test_instances_are_marked_as_stored(rows, attributes) -> None:
    key = "mail" if attributes is None else "mail_column"
    records = [{"mail": NOTHING}, {"mail": NOTHING, "age": NOTHING}, {"mail": Unequal()}, {}]
    states = [SimpleNamespace(committed_state=each, modified=True, key=None) for each in records]
    instances = [SimpleNamespace(mail="old", other=1) for _ in records]
    written = [{"id": number, key: f"m{number}"} for number in range(len(records))]
    found = rows.mark(instances, states, written, [1, 1, 1, 0], attributes, ("id",), int, NOTHING)
    assert found[0] is None
    assert found[1] is records[1]  # another attribute was set beside those that are known
    assert found[2] is records[2]
    assert found[3] is None
    for number, (instance, state) in enumerate(zip(instances, states, strict=True)):
        assert vars(instance) == {"mail": f"m{number}", "other": 1, "id": number}
        assert vars(state) == {"committed_state": {}, "modified": False, "key": (int, (number,), None)}


@pytest.mark.parametrize("rows", BOTH)
def test_composite_keys_are_in_the_order_of_the_primary_key(rows) -> None:
    state = SimpleNamespace(committed_state={}, modified=True, key=None)
    rows.mark([SimpleNamespace()], [state], [{"b": 2, "a": 1}], [0], None, ("a", "b"), str, NOTHING)
    assert state.key == (str, (1, 2), None)


class State:
    """Stands for SQLAlchemy's state of an instance."""

    def __init__(self) -> None:
        self.expired_attributes = set()

    def _cleanup(self, reference) -> None: ...


class Bare:
    """Stands for an instance that SQLAlchemy has made."""

    def __init__(self) -> None:
        self.state = State()


@pytest.mark.parametrize("rows", BOTH)
@given(st.lists(st.tuples(VALUES, VALUES, VALUES)), st.integers(1, 2), st.booleans(), st.booleans())
def test_rows_are_loaded_into_instances(rows, values, width, has_unread, is_known) -> None:
    unread = frozenset(["body"]) if has_unread else frozenset()
    manager, state_class = SimpleNamespace(class_=Bare), State if is_known else None
    found = rows.load(Bare, manager, state_class, "state", values, ("a", "ü"), (0, 2), width, Bare, unread)
    if is_known:
        assert all(each.state.obj() is each and each.state.manager is manager for each in found)
    assert [(each.a, each.ü) for each in found] == [(row[0], row[2]) for row in values]
    assert [each.state.key for each in found] == [(Bare, row[:width], None) for row in values]
    assert all(each.state.expired_attributes == unread for each in found)


@pytest.mark.parametrize("rows", BOTH)
@given(st.lists(st.tuples(st.dictionaries(NAMES, VALUES), st.dictionaries(NAMES, VALUES))), NAMES, VALUES)
def test_old_value_is_found_and_one_that_is_not_known(rows, some, name, value) -> None:
    states = [SimpleNamespace(committed_state=committed, dict=now) for committed, now in some]
    old = [{**now, **committed}.get(name, NOTHING) for committed, now in some]
    assert rows.had_value(states, name, value, NOTHING) is any(each is NOTHING or each == value for each in old)


@pytest.mark.parametrize("rows", BOTH)
@given(st.dictionaries(NAMES, VALUES), NAMES)
def test_dict_is_copied_without_a_name(rows, values, name) -> None:
    before = values.copy()
    found = rows.without(values, "".join(name))
    assert values == before
    assert found == {each: value for each, value in before.items() if each != name}
    assert [*found] == [each for each in before if each != name]


@pytest.mark.parametrize("rows", BOTH)
@given(st.dictionaries(NAMES, VALUES), st.data())
def test_unequal_values_are_found_in_the_order_of_the_columns(rows, values, data) -> None:
    """Some types take numbers for equal whose texts are alike; of one that compares to ``None`` nothing is known."""
    committed = {name: data.draw(VALUES) for name in values if data.draw(st.booleans())}
    verdicts = {name: data.draw(st.sampled_from([True, False, None])) for name in values}
    equals = {name: lambda *_, verdict=verdict: verdict for name, verdict in verdicts.items()}
    sql = {name for name in values if type(values[name]) not in PLAIN and data.draw(st.booleans())}
    columns = [(name, None if name == "b" else f"column {name}") for name in ("ü", "b", "a", "_sa_instance_state")]
    found = rows.unequal(
        columns,
        committed,
        values,
        equals,
        PLAIN,
        lambda value: any(value is values[name] for name in sql),
        NOTHING,
    )
    is_sql = {
        name: type(value) not in PLAIN and any(value is values[each] for each in sql) for name, value in values.items()
    }
    expected = {
        key: values[name]
        for name, key in columns
        if key is not None
        and name in committed
        and (committed[name] is NOTHING or is_sql[name] or verdicts[name] is not True)
    }
    assert [*found.items()] == [*expected.items()]


@pytest.mark.parametrize("rows", BOTH)
def test_old_values_that_note_their_names_are_compared(rows) -> None:
    equals = {"a": lambda *_: False}
    assert rows.unequal([("a", "a")], Noting({"a": 1}), {"a": 2}, equals, PLAIN, bool, NOTHING) == {"a": 2}


@pytest.mark.parametrize("rows", BOTH)
def test_attribute_that_was_deleted_has_no_value(rows) -> None:
    with pytest.raises(KeyError, match="a"):
        rows.unequal([("a", "a")], {"a": 1}, {}, {}, PLAIN, bool, NOTHING)


@pytest.mark.parametrize("rows", BOTH)
def test_error_of_a_comparison_with_an_old_value_is_raised(rows) -> None:
    class Odd:
        def __eq__(self, other: object) -> bool:
            raise ArithmeticError

        __hash__ = None

    with pytest.raises(ArithmeticError):
        rows.had_value([SimpleNamespace(committed_state={"a": Odd()}, dict={})], "a", 1, NOTHING)


@pytest.mark.parametrize("rows", BOTH)
@given(st.lists(st.dictionaries(NAMES, VALUES)), st.data())
def test_unequal_values_of_many_are_those_of_each(rows, loaded, data) -> None:
    committed = [{name: data.draw(VALUES) for name in each if data.draw(st.booleans())} for each in loaded]
    states = [SimpleNamespace(committed_state=each) for each in committed]
    keys = {name: f"column {name}" for name in ("ü", "a", "_sa_instance_state")}
    columns = [*keys.items(), ("b", None)]
    equals = dict.fromkeys(keys, lambda value, old: type(value) is type(old))
    found = rows.unequal_of_all(columns, keys, states, loaded, equals, PLAIN, lambda _: False, NOTHING)
    each_alone = [
        rows.unequal(columns, old, values, equals, PLAIN, lambda _: False, NOTHING)
        for old, values in zip(committed, loaded, strict=True)
    ]
    assert found == each_alone
    assert [[*row] for row in found] == [[*row] for row in each_alone]


@pytest.mark.parametrize("rows", BOTH)
@given(st.lists(st.tuples(st.dictionaries(NAMES, VALUES), st.dictionaries(NAMES, VALUES), st.sets(NAMES))))
def test_snapshots_share_nothing_with_the_instances(rows, some) -> None:
    nothing = frozenset()
    states = [
        SimpleNamespace(key=number, committed_state=committed, expired_attributes=expired, modified=bool(committed))
        for number, (_, committed, expired) in enumerate(some)
    ]
    loaded = [values for values, _, _ in some]
    were = [(dict(values), dict(committed), frozenset(expired)) for values, committed, expired in some]
    keys, values, committed, modified, expired = rows.snapshots(states, loaded, "a", nothing)
    for each in some:
        for part in each:
            part.clear()
    assert keys == [*range(len(some))]
    assert values == [{name: value for name, value in was.items() if name != "a"} for was, _, _ in were]
    assert committed == [was for _, was, _ in were]
    assert modified == [bool(was) for _, was, _ in were]
    assert expired == [was for _, _, was in were]
    assert all(each or each is nothing for each in expired)


@pytest.mark.parametrize("rows", BOTH)
def test_instance_with_notes_of_its_own_has_no_plain_snapshot(rows) -> None:
    state = SimpleNamespace(key=1, committed_state={}, expired_attributes=set(), modified=False)
    other = SimpleNamespace(**vars(state), info={})
    assert rows.snapshots([state, other], [{}, {}], "a", frozenset()) is None


def updated(**more: object) -> SimpleNamespace:
    """Return the state of an instance whose attributes ``a`` and ``b`` were set, and ``c`` expired."""
    committed = {"a": 1, "b": 2}
    expired = {"a", "c"}
    return SimpleNamespace(
        committed_state=committed, expired_attributes=expired, modified=True, expired=True, _deleted=False, **more
    )


@pytest.mark.parametrize("rows", BOTH)
@pytest.mark.parametrize("attributes", [None, {"A": "a", "B": "b", "id": "id"}])
def test_updated_instances_are_clean_but_for_other_changes(rows, attributes) -> None:
    a, b = ("a", "b") if attributes is None else ("A", "B")
    states = [updated(), updated(), updated(), updated(_pending_mutations={}), updated()]
    states[4]._deleted = True
    loaded = [{"a": 0, "x": 9} for _ in states]
    column_values = [{a: 10, b: 20}, {a: 10}, {}, {a: 10, b: 20}, {a: 10, b: 20}]
    assert rows.renew(states, loaded, column_values, attributes, ("id",)) == [1, 3, 4]
    assert loaded[:2] == [{"a": 10, "x": 9, "b": 20}, {"a": 10, "x": 9}]
    for state, pending in zip(states[:2], ({}, {"b": 2}), strict=True):
        assert vars(state) == {**vars(updated()), "committed_state": pending, "expired_attributes": {"c"}} | {
            "modified": False,
            "expired": False,
        }
    for state, values in zip(states[2:], loaded[2:], strict=True):
        assert values == {"a": 0, "x": 9}
        assert state.committed_state == {"a": 1, "b": 2}
        assert state.modified


@pytest.mark.parametrize("rows", BOTH)
def test_instance_whose_key_changes_needs_more(rows) -> None:
    state, values = updated(), {"id": 1}
    assert rows.renew([state], [values], [{"id": 2, "a": 10}], None, ("other", "id")) == [0]
    assert values == {"id": 1}
    assert vars(state) == vars(updated())
