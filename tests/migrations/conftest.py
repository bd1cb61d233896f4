"""Databases of a test's own."""

from __future__ import annotations

import pytest
from projects import SERVERS, Databases, Driver

collect_ignore = ["driver.py"]  # a program, see there


@pytest.fixture(params=["sqlite", *SERVERS])
def databases(request, tmp_path):
    found = Databases(request.param, tmp_path)
    yield found
    found.drop()


@pytest.fixture
def sqlite(tmp_path):
    return Databases("sqlite", tmp_path)


@pytest.fixture
def driver(tmp_path):
    with Driver(tmp_path) as found:
        yield found
