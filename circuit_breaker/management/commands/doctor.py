"""`manage.py doctor`: is everything here that the product needs, and if not, what to do. Changes nothing."""

import importlib.metadata
import re
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import BaseCommand
from django.db import Error, connection

from circuit_breaker import processes, settings, setup
from circuit_breaker.management.commands.seed import database_trouble
from circuit_breaker.serving import CannotServe, check_ports

CONNECT_SECONDS = 3.0


class Trouble(Exception):
    """A check that failed; the text says what to do."""


class Command(BaseCommand):
    help = (
        "Check Python, the installed packages, the settings, DATA_DIR, the ports, the database, the message broker and"
        " the providers. Prints one line each; the exit code is 1 if something would keep `serve` from working."
    )
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        checks: list[tuple[str, Callable[[], str]]] = [
            ("Python", _python),
            ("packages", _packages),
            ("DATA_DIR", _data),
            ("ports", _ports),
            ("database", _database),
            ("broker", _broker),
            ("Redis", _redis),
            ("providers", _providers),
        ]
        failed = 0
        for name, check in checks:
            try:
                print(f"  ok   {name:<10} {check()}")
            except Trouble as trouble:
                failed += 1
                print(f"  NO   {name:<10} {trouble}")
        print("Everything is there." if not failed else f"{failed} of {len(checks)} checks failed.")
        sys.exit(1 if failed else 0)


def _python() -> str:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < (3, 11):  # noqa: UP036 - said here rather than by a SyntaxError
        raise Trouble(f"{version} is too old: 3.11 or newer is needed.")
    return f"{version} at {sys.executable}"


def _packages() -> str:
    """Every requirement of requirements.txt that applies here, at the pinned version."""
    pinned = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)([^\\\n]*)", _requirements(), re.MULTILINE)
    wrong = []
    for name, version, marker in pinned:
        if marker.strip():
            continue  # for other platforms, perhaps
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            installed = "missing"
        if installed != version:
            wrong.append(f"{name} is {installed}, not {version}")
    if wrong:
        raise Trouble(f"{'; '.join(wrong[:3])}{' ...' if len(wrong) > 3 else ''}. Run `make setup`.")
    return f"{len(pinned)} pinned packages are installed"


def _requirements() -> str:
    return (settings.BASE_DIR / "requirements.txt").read_text()


def _data() -> str:
    probe = settings.DATA_DIR / ".doctor"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise Trouble(f"{settings.DATA_DIR} cannot be written: {error.strerror}.") from None
    return str(settings.DATA_DIR)


def _ports() -> str:
    shown = f"{settings.OPENAI_PORT} and {settings.GRAPHQL_PORT}"
    try:
        check_ports()
    except CannotServe as error:
        if _answers("127.0.0.1", settings.GRAPHQL_PORT) and (settings.DATA_DIR / "serve.json").exists():
            return f"{shown} are in use by the `serve` that runs on this DATA_DIR"
        raise Trouble(str(error)) from None
    return f"{shown} are free"


def _database() -> str:
    if settings.STORAGE_BACKEND != "postgres" and not Path(settings.DATABASES["default"]["NAME"]).exists():
        return f"{settings.STORAGE_BACKEND}: not made yet, `serve` does that"
    try:
        setup.check_database()
    except Error as error:
        raise Trouble(database_trouble(error)) from None
    return f"{settings.STORAGE_BACKEND}: {connection.settings_dict['NAME']} answers"


def _broker() -> str:
    parts = urlsplit(settings.CELERY_BROKER_URL)
    if parts.scheme == "filesystem":
        return f"files in {processes.queue_folder()}"
    port = parts.port or {"redis": 6379, "rediss": 6379, "amqps": 5671}.get(parts.scheme, 5672)
    return _reached("CELERY_BROKER_URL", parts.scheme, parts.hostname or "localhost", port)


def _redis() -> str:
    parts = urlsplit(settings.REDIS_URL)
    if not settings.REDIS_URL:
        return "not used: one control process wakes its own live views"
    if parts.scheme == "unix":
        return parts.path
    return _reached("REDIS_URL", parts.scheme, parts.hostname or "localhost", parts.port or 6379)


def _reached(setting: str, scheme: str, host: str, port: int) -> str:
    if not _answers(host, port):
        raise Trouble(f"nothing listens at {host}:{port}: start it, or change {setting}.")
    return f"{scheme} at {host}:{port} answers"


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def _providers() -> str:
    try:
        report = setup.look_around()
    except Error:
        return "known after the first `serve`: the database has no tables yet"
    if report.sandbox:
        return "none usable, so the built-in sandbox stands in: set OPENAI_API_KEY or another key"
    return ", ".join(
        f"{provider.name} ({setup.source_of(provider, settings.env.from_file)})" for provider in report.providers
    )
