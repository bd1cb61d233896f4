"""The kinds of mapped classes, as source text: the same text makes the class on aldis's base and its plain twin."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .columns import DRIVERS, POSTGRESQL, ColumnKind

__all__ = ["CLASSES", "ClassKind", "Given"]


@dataclass(frozen=True)
class Given:
    """An attribute of a class kind's own, which its rows are given values of."""

    name: str
    values: tuple[str, ...]
    """Texts of values; the tag is a name in them."""
    models: tuple[str, ...] = ("Thing", "Special")
    is_always: bool = False
    """Every new row is given one: it is a key, say."""
    is_fixed: bool = False
    """It does not change."""


Source = Callable[[str, Sequence[ColumnKind]], str]


@dataclass(frozen=True)
class ClassKind:
    """A kind of mapped class, called ``Thing``."""

    name: str
    source: Source
    """Makes the text from the name of the table and the columns."""
    models: tuple[str, ...] = ("Thing",)
    """The names of the classes whose instances are made."""
    attributes: tuple[str, ...] = ("id",)
    """Attributes that are read, beside the columns and the tag."""
    generated: tuple[str, ...] = ("id",)
    """Attributes whose values the database makes, where a row is not given them."""
    given: tuple[Given, ...] = ()
    has_several_tables: bool = False
    drivers: tuple[str, ...] = DRIVERS
    columns: Callable[[ColumnKind], bool] = lambda kind: True
    """Tells whether a kind of column fits."""
    needs: str = ""
    """A module that must be installed."""

    def fits(self, driver: str) -> bool:
        return driver in self.drivers and (not self.needs or importlib.util.find_spec(self.needs) is not None)


def body(columns: Sequence[ColumnKind]) -> str:
    """Return the lines of the tag and the columns."""
    return "".join(
        [
            "    tag = mapped_column(Integer, nullable=False)\n",
            *(f"    {kind.name} = {kind.source}\n" for kind in columns),
        ]
    )


KEY = "    id = mapped_column(Integer, primary_key=True)\n"


def thing(key: str = KEY, extra: str = "", after: str = "", bases: str = "Base") -> Source:
    """Return a function that makes the text of a class with one table."""

    def source(table: str, columns: Sequence[ColumnKind]) -> str:
        lines = f'class Thing({bases}):\n    __tablename__ = "{table}"\n{key}{body(columns)}{extra}'
        return lines + (after.replace("TABLE", table) if after else "")

    return source


def as_dataclass(table: str, columns: Sequence[ColumnKind]) -> str:
    """Write the defaults as a dataclass has them: ``insert_default`` is the column's own."""
    lines = []
    for kind in columns:
        source = re.sub(r"\bdefault=", "insert_default=", kind.source)[:-1]
        default = "default_factory=lambda: None" if "insert_default" in source else "default=None"
        lines.append(f"    {kind.name}: Mapped[Optional[Any]] = {source}, {default})")
    return "\n".join(
        [
            "class Thing(MappedAsDataclass, Base, kw_only=True):",
            f'    __tablename__ = "{table}"',
            "    id: Mapped[int] = mapped_column(primary_key=True, init=False)",
            "    tag: Mapped[int] = mapped_column(Integer)",
            *lines,
            "",
        ]
    )


def as_sqlmodel(table: str, columns: Sequence[ColumnKind]) -> str:
    columns_of = [(kind.name, kind.source.replace("mapped_column", "Column")) for kind in columns]
    lines = [f"    {name}: Optional[Any] = Field(default=None, sa_column={source})" for name, source in columns_of]
    return "\n".join(
        [
            "from sqlmodel import Field, SQLModel",
            "class Mapped_(SQLModel, registry=registry()): ...",
            "class Thing(*SQLMODEL_BASES, Mapped_, table=True):",
            f'    __tablename__ = "{table}"',
            "    model_config = {'arbitrary_types_allowed': True}",
            "    id: Optional[int] = Field(default=None, primary_key=True)",
            "    tag: int",
            *lines,
            "",
        ]
    )


SINGLE = """\
    kind = mapped_column(String(10), default='thing')
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "thing"}
class Special(Thing):
    special = mapped_column(Integer)
    special_default = mapped_column(String(10), default='sd')
    __mapper_args__ = {"polymorphic_identity": "special"}
"""
JOINED = """\
    kind = mapped_column(String(10))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "thing"}
class Special(Thing):
    __tablename__ = "TABLE_special"
    id = mapped_column(ForeignKey("TABLE.id"), primary_key=True)
    special = mapped_column(Integer)
    special_default = mapped_column(String(10), default='sd')
    __mapper_args__ = {"polymorphic_identity": "special"}
"""
LISTENED = """\
def note(name):
    def listener(mapper, connection, target): EVENTS.append((name, target))
    event.listen(Thing, name, listener)
for name in ("before_insert", "after_insert", "before_update", "after_update", "before_delete", "after_delete"):
    note(name)
"""
HOOKED = """\
    slug = mapped_column(String(20))
    times = mapped_column(Integer, default=0)
@event.listens_for(Thing, "before_insert")
def fill(mapper, connection, target): target.slug = f"slug {target.tag}"
@event.listens_for(Thing, "before_update")
def count(mapper, connection, target): target.times = (target.times or 0) + 1
"""
REFRESHED = """\
@event.listens_for(Thing, "refresh_flush")
def refreshed(target, context, names): EVENTS.append((f"refresh_flush {sorted(names)}", target))
@event.listens_for(Thing, "init")
def made(target, args, kwargs): EVENTS.append(("init", target))
"""
WATCHED = """\
    watched = mapped_column(String(20))
@event.listens_for(Thing.watched, "set")
def was_set(target, value, old, initiator): EVENTS.append((f"set {value!r}", target))
"""
VALIDATED = """\
    checked = mapped_column(String(20))
    @validates("checked")
    def check(self, key, value):
        if value == "bad": raise ValueError(value)
        return value.upper() if isinstance(value, str) else value
"""
MUTABLE = """\
    data = mapped_column(DICT_AS_JSON, default=dict)
    items = mapped_column(LIST_AS_JSON)
    def touch(self):
        if self.data is not None: self.data["touched"] = self.tag
        if self.items is not None: self.items.append(self.tag)
"""
COMPOSITE = """\
    x = mapped_column(Integer)
    y = mapped_column(Integer)
    point = composite(Point, "x", "y")
"""
DERIVED = """\
    first = mapped_column(String(20))
    total = column_property(tag + 100)
    alias = synonym("first")
    @hybrid_property
    def shout(self): return None if self.first is None else self.first.upper()
    @shout.inplace.setter
    def _set_shout(self, value): self.first = value.lower()
"""
DEFERRED = """\
    late = deferred(mapped_column(String(20)))
    late_default = deferred(mapped_column(String(20), default='ld'))
    never = mapped_column(String(20), deferred=True, deferred_raiseload=True)
    late_server = deferred(mapped_column(String(20), server_default='ls'))
"""
RELATED = """\
    other_id = mapped_column(ForeignKey("TABLE_other.id"))
    other = relationship("Other")
class Other(Base):
    __tablename__ = "TABLE_other"
    id = mapped_column(Integer, primary_key=True)
    name = mapped_column(String(20), default='o')
"""
VERSIONED = """\
    version = mapped_column(Integer, nullable=False)
    __mapper_args__ = {"version_id_col": version}
"""
EAGER = "    __mapper_args__ = {'eager_defaults': True}\n"
NOT_EAGER = "    __mapper_args__ = {'eager_defaults': False}\n"
TWO_KEYS = """\
    a = mapped_column(Integer, primary_key=True, autoincrement=False)
    b = mapped_column(String(10), primary_key=True)
"""
SPECIAL = (
    Given("special", ("1", "None", "-5"), ("Special",)),
    Given("special_default", ("'x'", "None"), ("Special",)),
)
BOTH = ("Thing", "Special")


CLASSES = {
    kind.name: kind
    for kind in [
        ClassKind("plain", thing()),
        ClassKind(
            "single_table", thing(after=SINGLE), BOTH, ("id", "kind", "special", "special_default"), given=SPECIAL
        ),
        ClassKind(
            "joined",
            thing(after=JOINED),
            BOTH,
            ("id", "kind", "special", "special_default"),
            given=SPECIAL,
            has_several_tables=True,
        ),
        ClassKind("listened", thing(after=LISTENED)),
        ClassKind("refreshed", thing(after=REFRESHED)),
        ClassKind("hooked", thing(after=HOOKED), attributes=("id", "slug", "times")),
        ClassKind(
            "watched", thing(after=WATCHED), attributes=("id", "watched"), given=(Given("watched", ("'w'", "'v'")),)
        ),
        ClassKind(
            "validated",
            thing(extra=VALIDATED),
            attributes=("id", "checked"),
            given=(Given("checked", ("'c'", "'d'", "'e'", "None", "'bad'")),),
        ),
        ClassKind(
            "mutable",
            thing(extra=MUTABLE),
            attributes=("id", "data", "items"),
            given=(Given("data", ("{'a': 1}", "{}", "None")), Given("items", ("[]", "[1]", "None"))),
        ),
        ClassKind(
            "composite",
            thing(extra=COMPOSITE),
            attributes=("id", "x", "y", "point"),
            given=(Given("point", ("Point(1, 2)", "Point(3, None)", "None")),),
        ),
        ClassKind(
            "derived",
            thing(extra=DERIVED),
            attributes=("id", "first", "total", "alias", "shout"),
            given=(Given("shout", ("'AbC'", "'D'")),),
        ),
        ClassKind(
            "deferred",
            thing(extra=DEFERRED),
            attributes=("id", "late", "late_default", "never", "late_server"),
            given=(
                Given("late", ("'l'", "None")),
                Given("never", ("'n'", "None")),
                Given("late_server", ("'x'", "None")),
            ),
        ),
        ClassKind(
            "related",
            thing(after=RELATED),
            attributes=("id",),
            given=(Given("other", ("Other()", "Other(name='x')", "None")),),
        ),
        ClassKind("versioned", thing(extra=VERSIONED), attributes=("id", "version")),
        ClassKind("eager_defaults", thing(extra=EAGER)),
        ClassKind("no_eager_defaults", thing(extra=NOT_EAGER)),
        ClassKind(
            "two_keys",
            thing(TWO_KEYS),
            attributes=("a", "b"),
            generated=(),
            given=(
                Given("a", ("tag * 3", "100 - tag"), is_always=True, is_fixed=True),
                Given("b", ("f'b{tag}'",), is_always=True, is_fixed=True),
            ),
        ),
        ClassKind(
            "natural_key",
            thing("    code = mapped_column(String(10), primary_key=True)\n"),
            attributes=("code",),
            generated=(),
            given=(Given("code", ("f'c{tag}'", "f'C {tag}'"), is_always=True, is_fixed=True),),
        ),
        ClassKind(
            "key_of_other_name",
            thing("    id = mapped_column('the key', Integer, primary_key=True)\n"),
        ),
        ClassKind(
            "identity",
            thing("    id = mapped_column(Integer, Identity(), primary_key=True)\n"),
            given=(Given("id", ("tag + 5000",), is_fixed=True),),
            drivers=POSTGRESQL,
        ),
        ClassKind(
            "identity_always",
            thing("    id = mapped_column(Integer, Identity(always=True), primary_key=True)\n"),
            given=(Given("id", ("tag + 5000",), is_fixed=True),),
            drivers=POSTGRESQL,
        ),
        ClassKind("dataclass", as_dataclass, columns=lambda kind: "context" not in kind.name),
        ClassKind("sqlmodel", as_sqlmodel, needs="sqlmodel", columns=lambda kind: "deferred" not in kind.source),
    ]
}
