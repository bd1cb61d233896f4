"""A project from nothing: made, migrated, and given a NOT NULL column that its rows are filled with."""

import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path

MODELS = """
import aldis
from aldis.signals import post_migrate, pre_migrate, pre_update, revision_applied
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(aldis.Model, DeclarativeBase):
    metadata = MetaData(naming_convention=aldis.migrations.NAMING_CONVENTION)
    database = aldis.Database("sqlite+aiosqlite:///lamps.db")


class Lamp(Base):
    __tablename__ = "lamp"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    # a column to come


@pre_migrate.connect_via("upgrade")
async def before(sender, revision):
    print(f"about to upgrade to {revision}")


@revision_applied.connect
def applied(sender, connection):
    tables = connection.dialect.get_table_names(connection)
    print("tables:", ", ".join(tables))


@post_migrate.connect_via("upgrade")
def after(sender):
    print("upgraded")


@pre_update.connect_via(Lamp)
async def colour(sender, instance, column_values, is_migration):
    if is_migration and instance.name.startswith("red"):
        column_values["colour"] = "red"
"""


SEED = """
import asyncio
from models import Base, Lamp


async def main():
    async with Base.database:
        await Lamp.query.bulk_create([Lamp(name="red one"), Lamp(name="old one")])


asyncio.run(main())
"""

SHOW = """
import asyncio
from models import Base, Lamp


async def main():
    async with Base.database:
        async for lamp in Lamp.query.order_by(Lamp.id):
            print(lamp.name, lamp.colour)


asyncio.run(main())
"""


def python(*arguments: str) -> None:
    """Run Python in the project."""
    subprocess.run([sys.executable, *arguments], check=True)  # noqa: S603


def aldis(*arguments: str) -> None:
    """Run ``aldis``, as one types it."""
    print("$ aldis", *arguments, flush=True)
    python("-m", "aldis", "--quiet", *arguments)


def main() -> None:
    models = Path("models.py")
    models.write_text(MODELS)
    aldis("init", "migrations", "--app", "models:Base")
    aldis("migrate", "-m", "lamps")
    aldis("upgrade", "head")
    python("-c", SEED)
    models.write_text(MODELS.replace("# a column to come", 'colour: Mapped[str] = mapped_column(default="white")'))
    aldis("migrate", "-m", "lamps have colours", "--null-field", "Lamp.colour")
    aldis("upgrade", "head")
    aldis("check")
    python("-c", SHOW)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        main()
