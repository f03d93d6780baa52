"""A database of our own on a real Postgres, for the rows that need one; dropped in the end, whatever happens.

Needs a superuser of a Postgres at TEST_POSTGRES_URL (by default the one on loopback).
"""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.measuring import Missing

POSTGRES = os.environ.get("TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres")


@contextmanager
def scratch_database() -> Iterator[str]:
    """The URL of a new, empty database. Raises Missing where there is no server."""
    import psycopg
    from psycopg import sql

    name = f"cb_bench_{uuid.uuid4().hex[:10]}"
    try:
        server = psycopg.connect(POSTGRES, autocommit=True, connect_timeout=3)
    except psycopg.OperationalError:
        raise Missing(f"skipped: no Postgres at {POSTGRES.rsplit('@')[-1]} (set TEST_POSTGRES_URL)") from None
    with server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield POSTGRES.rsplit("/", 1)[0] + f"/{name}"
        finally:
            server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def product_on(url: str, folder: str) -> dict[str, str]:
    """The environment with which the product's processes run on a database, their files in `folder`."""
    environment = {"STORAGE_BACKEND": "postgres", "DATABASE_URL": url, "DATA_DIR": folder}
    return environment | {"ENV_FILE": f"{folder}/none", "CELERY_BROKER_URL": "filesystem://"}
