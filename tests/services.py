"""Which services this machine has, and the one rule about those it has not.

A test that needs a service it cannot reach is skipped with the reason; under `CI=true` it fails instead, so that CI
never passes by not looking.
"""

import os
import shutil
import socket

import pytest

POSTGRES = os.environ.get("TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres")

RABBITMQ = os.environ.get("TEST_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672//")


def need(available: bool, reason: str) -> None:
    """Go on if `available`; otherwise skip with `reason`, or fail where CI must look."""
    if available:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason} (required under CI=true)", pytrace=False)
    pytest.skip(reason)


def need_program(name: str) -> str:
    """The path of an installed program."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    need(path is not None, f"the program `{name}` is not installed")
    assert path is not None
    return path


def listens(host: str, port: int) -> bool:
    """Whether something accepts TCP connections there."""
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError:
        return False
    return True


def postgres_available() -> bool:
    """Whether POSTGRES accepts a login (asked without Django, which may be set up for another storage)."""
    import psycopg

    try:
        psycopg.connect(POSTGRES, connect_timeout=3).close()
    except psycopg.OperationalError:
        return False
    return True


def need_postgres() -> None:
    need(postgres_available(), f"no Postgres at {POSTGRES.rsplit('@')[-1]} (set TEST_POSTGRES_URL)")


def rabbitmq_available() -> bool:
    """Whether RABBITMQ accepts a login."""
    import kombu

    try:
        with kombu.Connection(RABBITMQ, connect_timeout=3) as broker:
            broker.connect()
    except broker.connection_errors:
        return False
    return True


def need_rabbitmq() -> None:
    need(rabbitmq_available(), f"no RabbitMQ at {RABBITMQ.rsplit('@')[-1]} (set TEST_RABBITMQ_URL)")
