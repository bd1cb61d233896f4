"""The library's tests: ``pytest test_app.py``, in this directory."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
import receivers
from app import app
from httpx import ASGITransport, AsyncClient


@pytest_asyncio.fixture
async def client(tmp_path: Path) -> AsyncIterator[AsyncClient]:
    """Return a client of the library, which is empty."""
    app.state.url = os.environ.get("LIBRARY_TEST_DATABASE", f"sqlite+aiosqlite:///{tmp_path}/library.db")
    receivers.mailed.clear()
    async with (
        app.router.lifespan_context(app),
        AsyncClient(transport=ASGITransport(app), base_url="http://library") as it,
    ):
        yield it


async def test_new_member_is_welcomed_once_stored(client: AsyncClient) -> None:
    assert (await client.post("/members", params={"name": "Ada"})).status_code == 200
    assert (await client.post("/members", params={"name": "Ada"})).status_code == 409
    assert receivers.mailed == ["Welcome, Ada!"]


async def test_copies_are_counted(client: AsyncClient) -> None:
    book = (await client.post("/books", params={"title": "Emma"})).json()["id"]
    ada = (await client.post("/members", params={"name": "Ada"})).json()["id"]
    bob = (await client.post("/members", params={"name": "Bob"})).json()["id"]
    assert (await client.post("/loans", params={"book_id": book, "member_id": ada})).status_code == 200
    refused = await client.post("/loans", params={"book_id": book, "member_id": bob})
    assert (refused.status_code, refused.json()["detail"]) == (409, "no copy of Emma is left")
    assert (await client.get(f"/books/{book}")).json()["copies"] == 0
    assert (await client.delete(f"/members/{ada}")).status_code == 200
    assert (await client.get(f"/books/{book}")).json()["copies"] == 1


async def test_last_copy_is_lent_once_though_ten_ask_at_once(client: AsyncClient) -> None:
    book = (await client.post("/books", params={"title": "Emma"})).json()["id"]
    members = [
        (await client.post("/members", params={"name": f"member {number}"})).json()["id"] for number in range(10)
    ]
    asked = [client.post("/loans", params={"book_id": book, "member_id": member}) for member in members]
    answers = [answer.status_code for answer in await asyncio.gather(*asked)]
    assert sorted(answers) == [200] + [409] * 9
    assert (await client.get(f"/books/{book}")).json()["copies"] == 0
    assert (await client.get("/log")).json().count("new: Loan 1") == 1


async def test_audit_log(client: AsyncClient) -> None:
    book = (await client.post("/books", params={"title": "Emma"})).json()["id"]
    ada = (await client.post("/members", params={"name": "Ada"})).json()["id"]
    await client.post("/loans", params={"book_id": book, "member_id": ada})
    assert sorted((await client.get("/log")).json()) == ["changed: Book 1", "new: Book 1", "new: Loan 1"]
