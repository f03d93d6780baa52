"""Which processes make up the product, and what each is told. Data only; `supervisor.py` runs them.

The gateway and the sandbox get a clean environment: no provider key, no database password. What they are told is what
`settings.py` has checked. Stages say in which order they end: the worker first, as its agents call the gateway; the
gateways next, whose last usage the control process still books; control and sandbox last.
"""

import os
import socket
from pathlib import Path

from circuit_breaker import settings
from circuit_breaker.supervisor import Child
from llm.gateway.http_limits import BOUND_SETTINGS, LIMIT_SETTINGS

PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "PYTHONPATH")
STREAMS = (
    "STREAM_REPLAY_BYTES",
    "STREAM_REPLAY_TOTAL_BYTES",
    "STREAM_REPLAY_SECONDS",
    "STREAM_GRACE_SECONDS",
    "STREAM_KEEP_ALIVE_SECONDS",
    "STREAM_HEAD_SECONDS",
)
"""What only the gateway reads, and checks."""
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")

GATEWAY_ONLY = (
    *LIMIT_SETTINGS,
    *BOUND_SETTINGS,
    "GATEWAY_TLS_CERT",
    "GATEWAY_TLS_KEY",
    "PROVIDER_CA_FILE",
    "PROVIDER_HTTP2",
    "REMOTE_IMAGES",
    "REMOTE_IMAGE_HOSTS",
)
"""Checked by the gateway itself, which ends with one line if they are odd."""

WORKER, GATEWAYS, CONTROL = 1, 2, 3


def journal_folder() -> Path:
    """Apart for each storage: a journal belongs to the database its records are booked in."""
    return settings.DATA_DIR / "journal" / settings.STORAGE_BACKEND


def queue_folder() -> Path:
    return settings.DATA_DIR / "queue"


def gateways() -> list[Child]:
    names = ["gateway"] if settings.OPENAI_WORKERS == 1 else [f"gateway-{n}" for n in range(settings.OPENAI_WORKERS)]
    return [
        Child(name, ["llm.gateway"], _clean() | _gateway_settings(f"gateway-{number}"), GATEWAYS)
        for number, name in enumerate(names)
    ]


def control(sandbox_url: str) -> Child:
    arguments = ["circuit_breaker.server", "--host", settings.CONTROL_HOST, "--port", str(settings.GRAPHQL_PORT)]
    return Child("control", arguments, django_environment(sandbox_url), CONTROL, first_arguments=["--wait"])


def worker(sandbox_url: str) -> Child:
    level = {"trace": "debug", "warn": "warning"}.get(settings.LOG_LEVEL, settings.LOG_LEVEL)
    arguments = ["celery", "-A", "circuit_breaker", "--quiet", "worker", "--pool", "threads", "--loglevel", level]
    arguments += ["--concurrency", str(settings.WORKER_CONCURRENCY), "--without-gossip", "--without-mingle"]
    # Messages are ids of effects, never code, so running as root, as containers do, is no danger of Celery's making.
    environment = django_environment(sandbox_url) | {"PYTHONWARNINGS": "ignore:You're running the worker"}
    return Child("worker", [*arguments, "--without-heartbeat"], environment, WORKER)


def sandbox(port: int) -> Child:
    return Child("sandbox", ["llm.sandbox", "--port", str(port)], _clean(), CONTROL)


def sandbox_port() -> int:
    """SANDBOX_PORT, or a free one."""
    if settings.SANDBOX_PORT:
        return settings.SANDBOX_PORT
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def django_environment(sandbox_url: str) -> dict[str, str]:
    """Everything we were given, so that every process reads the same settings."""
    own = {"DJANGO_SETTINGS_MODULE": "circuit_breaker.settings", "DATA_DIR": str(settings.DATA_DIR)}
    return {**os.environ, **own, "SANDBOX_URL": sandbox_url}


def _clean() -> dict[str, str]:
    proxies = [*PROXIES, *(name.lower() for name in PROXIES)]
    return {name: os.environ[name] for name in (*PASSED_ON, *STREAMS, *proxies) if name in os.environ}


def _gateway_settings(name: str) -> dict[str, str]:
    return {
        "OPENAI_PORT": str(settings.OPENAI_PORT),
        "GATEWAY_HOST": settings.GATEWAY_HOST,
        "GATEWAY_NAME": name,
        "UPLINK_URL": f"ws://{_reachable(settings.CONTROL_HOST)}:{settings.GRAPHQL_PORT}/uplink",
        "UPLINK_SECRET": settings.UPLINK_SECRET,
        "JOURNAL_DIR": str(journal_folder()),
        "GATEWAY_SHARED_PORT": "true" if settings.OPENAI_WORKERS > 1 else "false",
        "GATEWAY_DRAIN_SECONDS": f"{settings.DRAIN_SECONDS / 3:g}",  # what `Supervisor.stop` gives a stage
        "REQUEST_TIMEOUT_SECONDS": f"{settings.REQUEST_TIMEOUT_SECONDS:g}",
        **{name: os.environ[name] for name in GATEWAY_ONLY if os.environ.get(name)},
        "CONNECTION_POOL_SIZE": str(settings.CONNECTION_POOL_SIZE),
        "MAX_CONCURRENT_REQUESTS": str(settings.MAX_CONCURRENT_REQUESTS // settings.OPENAI_WORKERS),
        "RATE_LIMIT_PER_MINUTE": str(settings.RATE_LIMIT_PER_MINUTE),
        "BURST_ALLOWANCE": str(settings.BURST_ALLOWANCE),
        "API_KEY_REQUIRED": "true" if settings.API_KEY_REQUIRED else "false",
        "CORS_ENABLED": "true" if settings.CORS_ENABLED else "false",
        "CORS_ORIGINS": ",".join(settings.CORS_ORIGINS),
        "LOG_LEVEL": settings.LOG_LEVEL,
    }


def _reachable(host: str) -> str:
    """An address to call a server by that listens on `host`."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"[{shown}]" if ":" in shown and not shown.startswith("[") else shown


def gateway_address() -> str:
    scheme = "https" if os.environ.get("GATEWAY_TLS_CERT", "").strip() else "http"
    return f"{scheme}://{_reachable(settings.GATEWAY_HOST)}:{settings.OPENAI_PORT}"


def control_address() -> str:
    return f"http://{_reachable(settings.CONTROL_HOST)}:{settings.GRAPHQL_PORT}"
