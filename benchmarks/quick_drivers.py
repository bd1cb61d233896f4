"""The raw drivers' own statements of one row, as a program without SQLAlchemy would send them: prepared where they can.

asyncmy's is its cursor's text: ``RETURNING`` of its prepared statements came late.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

Statement = Callable[[tuple[Any, ...]], Awaitable[Any]]
"""Runs a statement with its values."""


def sql_of(kind: str, table: str, places: list[str], returning: str = " RETURNING id") -> str:
    """Return the statement, with the driver's placeholders."""
    first, second, third, fourth = places
    values = f"{first}, {second}, {third}, {fourth}"
    return {
        "save": f"INSERT INTO {table} (name, email, age, created) VALUES ({values}){returning}",
        "update": f"UPDATE {table} SET name = {first} WHERE id = {second}",
        "delete": f"DELETE FROM {table} WHERE id = {first}",
    }[kind]


async def driver_connection(connection: AsyncConnection) -> Any:
    """Return the driver's own connection."""
    return (await connection.get_raw_connection()).driver_connection


async def asyncpg(connection: AsyncConnection, table: str, kind: str) -> Statement:
    """asyncpg: a prepared statement."""
    driver = await driver_connection(connection)
    prepared = await driver.prepare(sql_of(kind, table, ["$1", "$2", "$3", "$4"]))
    return lambda values: prepared.fetchrow(*values)


async def psycopg(connection: AsyncConnection, table: str, kind: str) -> Statement:
    """psycopg: ``execute`` of a statement that it has prepared."""
    driver, sql = await driver_connection(connection), sql_of(kind, table, ["%s"] * 4)

    async def run(values: tuple[Any, ...]) -> None:
        cursor = await driver.execute(sql, values, prepare=True)
        if kind == "save":
            await cursor.fetchone()

    return run


async def asyncmy(connection: AsyncConnection, table: str, kind: str) -> Statement:
    """asyncmy: a cursor."""
    driver, sql = await driver_connection(connection), sql_of(kind, table, ["%s"] * 4)

    async def run(values: tuple[Any, ...]) -> None:
        cursor = driver.cursor()
        await cursor.execute(sql, values)
        if kind == "save":
            await cursor.fetchone()
        await cursor.close()

    return run


async def sqlite(connection: AsyncConnection, table: str, kind: str) -> Statement:
    """aiosqlite: ``execute`` and ``lastrowid``; a datetime is the text that SQLAlchemy stores."""
    driver, sql = await driver_connection(connection), sql_of(kind, table, ["?"] * 4, "")

    async def run(values: tuple[Any, ...]) -> None:
        if kind == "save":
            *others, created = values
            values = (*others, created.isoformat(" ", "microseconds"))
        cursor = await driver.execute(sql, values)
        _ = cursor.lastrowid
        await cursor.close()

    return run


RAW = {"asyncpg": asyncpg, "psycopg": psycopg, "asyncmy": asyncmy, "SQLite": sqlite}
