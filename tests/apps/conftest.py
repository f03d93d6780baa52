"""Tests of the Django apps run on one storage a time: STORAGE_BACKEND=memory (default), sqlite or postgres."""

import os

import pytest

from tests.services import need_postgres


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """Asked for before the test database is made: the place to find that there is no server."""
    if os.environ.get("STORAGE_BACKEND") == "postgres":
        need_postgres()
