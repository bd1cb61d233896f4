"""URLs that are no async database's: the message says what is wrong and what to write, and shows no password."""

from __future__ import annotations

import sys

import pytest
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import QueuePool, StaticPool

import aldis

SECRET = "S3cr3tPw"


def refusal(target, **options) -> str:
    """Return the message with which a database is refused."""
    with pytest.raises(aldis.ConfigurationError) as raised:
        aldis.Database(target, **options)
    assert SECRET not in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1
    return str(raised.value)


class Missing:
    """A finder of modules that hides one."""

    def __init__(self, name: str, error: type[ImportError], text: str) -> None:
        self.name, self.error, self.text = name, error, text

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == self.name:
            raise self.error(self.text, name=name)


@pytest.fixture
def without(monkeypatch):
    """Return a function that hides a module, as where it is not installed."""

    def hide(name: str, error: type[ImportError] = ModuleNotFoundError, text: str | None = None) -> None:
        for each in [each for each in sys.modules if each.partition(".")[0] == name]:
            monkeypatch.delitem(sys.modules, each)
        finder = Missing(name, error, text or f"No module named {name!r}")
        monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])

    return hide


@pytest.mark.parametrize(
    ("url", "driver", "package"),
    [
        ("postgresql+asyncpg", "asyncpg", "aldis[postgresql]"),
        ("postgresql+psycopg", "psycopg", "psycopg[binary]"),
        ("mysql+asyncmy", "asyncmy", "aldis[mysql]"),
        ("mariadb+asyncmy", "asyncmy", "aldis[mysql]"),
        ("sqlite+aiosqlite", "aiosqlite", "aiosqlite"),
    ],
)
def test_driver_that_is_not_installed_is_named_with_its_package(without, url, driver, package) -> None:
    without(driver)
    address = "/app.db" if driver == "aiosqlite" else f"u:{SECRET}@h/x"
    said = refusal(f"{url}://{address}")
    assert said.endswith(f": No module named {driver!r}. Install the driver: pip install '{package}'.")


def test_psycopg_without_libpq_is_told_of_in_one_line(without) -> None:
    without("psycopg", ImportError, "no pq wrapper available.\nAttempts made:\n- couldn't import psycopg 'c'")
    said = refusal("postgresql+psycopg://h/x")
    assert said.endswith(": no pq wrapper available. Install the driver: pip install 'psycopg[binary]'.")


@pytest.mark.parametrize(
    ("scheme", "meant"),
    [
        ("postgres", "postgresql+asyncpg"),
        ("postgresql+psycopg2", "postgresql+asyncpg"),
        ("postgresql+asyncpgg", "postgresql+asyncpg"),
        ("mysql+pymysql", "mysql+asyncmy"),
        ("mysql+asyncpg", "mysql+asyncmy"),
        ("mariadb+pymysql", "mariadb+asyncmy"),
        ("sqlite", "sqlite+aiosqlite"),
    ],
)
def test_url_of_another_driver_is_answered_by_that_of_an_async_one(scheme, meant) -> None:
    address = "/app.db" if scheme == "sqlite" else f"u:{SECRET}@h/x"
    said = refusal(f"{scheme}://{address}")
    assert said.endswith(f". Give the URL of an async driver: {meant}:// in the place of {scheme}://.")


@pytest.mark.parametrize("target", [None, ""])
def test_variable_that_is_not_set_is_named_as_the_reason(target) -> None:
    said = refusal(target)
    assert said.startswith(f"{target!r} is not a database that aldis can use: is the environment variable set ")


@pytest.mark.parametrize("target", [5, b"sqlite+aiosqlite://", create_engine("sqlite://")])
def test_what_is_no_url_is_told_by_its_type(target) -> None:
    assert refusal(target).startswith(f"an object of the type {type(target).__name__} is not a database ")


def test_parameters_of_libpq_are_answered_by_those_of_asyncpg() -> None:
    pytest.importorskip("asyncpg")
    url = f"postgresql+asyncpg://u:{SECRET}@h/x"
    assert refusal(f"{url}?sslmode=require&channel_binding=require") == (
        "postgresql+asyncpg://u:***@h/x?channel_binding=require&sslmode=require is not a database that aldis can use: "
        "asyncpg takes no 'sslmode', 'channel_binding'. Write ?ssl=require in the place of ?sslmode=require. Leave "
        "channel_binding out."
    )
    assert "connect_args={'server_settings': ...}" in refusal(f"{url}?application_name=shop")
    assert "connect_args={'ssl': an ssl.SSLContext}" in refusal(f"{url}?sslkey={SECRET}")
    assert "?ssl=disable in the place" in refusal(f"{url}?sslmode=require&sslmode=disable"), "the last one"
    aldis.Database(f"{url}?ssl=require&target_session_attrs=any&prepared_statement_cache_size=0")


async def never(*args: object, **options: object) -> None: ...


def test_parameters_that_serve_are_not_refused() -> None:
    pytest.importorskip("asyncpg")
    url = "postgresql+asyncpg://u@h/x?sslmode=require"
    aldis.Database(url, async_creator=never)  # which does not get the URL's parameters
    aldis.Database(url, poolclass=StaticPool, creator=never)
    aldis.Database(create_async_engine(url))  # whose maker may have a listener of do_connect
    pytest.importorskip("psycopg")
    aldis.Database("postgresql+psycopg://u@h/x?sslmode=require")


@pytest.mark.parametrize("name", ["ssl_mode", "ssl-mode", "sslmode"])
def test_tls_of_mysqls_client_is_answered_by_that_of_asyncmy(name) -> None:
    pytest.importorskip("asyncmy")
    said = refusal(f"mysql+asyncmy://u:{SECRET}@h/x?{name}=REQUIRED&charset=utf8mb4")
    assert f"asyncmy takes no {name!r}. For TLS give connect_args={{'ssl': ssl.create_default_context()}}" in said


def test_option_of_an_engine_that_is_wrong_is_not_laid_to_the_driver() -> None:
    pytest.importorskip("asyncpg")
    said = refusal("postgresql+asyncpg://h/x", poolclass=QueuePool)
    assert "Pool class QueuePool cannot be used" in said
    assert "driver" not in said
