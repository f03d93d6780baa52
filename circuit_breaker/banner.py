"""What `manage.py serve` prints once everything answers: what listens where, on what, and the first call to try.

No secret is in it. Pure text from plain facts, so that a test reads it whole.
"""

import os
import shlex
import sys
from pathlib import Path

from circuit_breaker import __version__, processes, settings
from circuit_breaker.setup import SetupReport, source_of
from llm.gateway import compiled

STORAGES = {
    "memory": "memory: thrown away at the next start (STORAGE_BACKEND=sqlite or postgres keeps it)",
    "sqlite": "sqlite: {database}",
    "postgres": "postgres: {database}",
}
NOTHING_FOUND = (
    "none found, so the built-in sandbox answers: a stand-in, no language model,",
    "in play money. Set OPENAI_API_KEY, ANTHROPIC_API_KEY, GOOGLE_API_KEY, ... in the",
    "environment or .env, start Ollama, or add a key in the admin.",
)


def banner(report: SetupReport, seconds: float) -> str:
    gateway, control = processes.gateway_address(), processes.control_address()
    rows = [
        ("OpenAI API", f"{gateway}/v1"),
        ("GraphQL", f"{control}/graphql   in a browser: GraphiQL at {control}/"),
        ("Live", f"{control.replace('http', 'ws', 1)}/graphql   subscriptions, graphql-transport-ws"),
        ("Admin", f"{control}/admin/"),
        ("", f"first login: {first_login()}"),
        ("Health", f"{gateway}/health   {control}/health"),
        ("Storage", _storage()),
        ("Gateway", _gateway()),
        ("Worker", f"{settings.WORKER_CONCURRENCY} threads, messages by {_broker()}"),
        *_providers(report),
        *(
            [("Note", f"without effect so far: {', '.join(settings.WITHOUT_EFFECT)}")]
            if settings.WITHOUT_EFFECT
            else []
        ),
    ]
    shown = "\n".join(f"  {name:<11} {text}".rstrip() for name, text in rows)
    return (
        f"\nCircuit Breaker {__version__} is ready after {seconds:.1f} s.\n\n{shown}\n\n"
        f"Try it:\n\n{first_call(gateway)}\n\nCtrl-C stops everything.\n"
    )


def first_call(gateway: str) -> str:
    key = ""
    if settings.API_KEY_REQUIRED:
        key = "    -H 'Authorization: Bearer '$(manage.py apikey create first) \\\n".replace("manage.py", _manage())
    return (
        f"  curl -X POST {gateway}/v1/chat/completions \\\n{key}"
        "    -H 'Content-Type: application/json' \\\n"
        """    -d '{"model": "auto", "messages": [{"role": "user", "content": "Hello!"}]}'"""
    )


def first_login() -> str:
    """The command, with what it needs to find the same database. A database URL may hold a password: only its name."""
    given = [
        f"{name}={shlex.quote(os.environ[name])}"
        for name in ("DATA_DIR", "STORAGE_BACKEND")
        if name in os.environ and name not in settings.env.from_file
    ]
    if "DATABASE_URL" in os.environ and "DATABASE_URL" not in settings.env.from_file:
        given.append("DATABASE_URL=...")
    return " ".join([*given, _manage(), "createsuperuser"])


def _manage() -> str:
    python = Path(sys.executable)
    if python.is_relative_to(settings.BASE_DIR):
        python = python.relative_to(settings.BASE_DIR)
    return f"{python} manage.py"


def _storage() -> str:
    database = settings.DATABASES["default"]
    name = str(database["NAME"])
    if settings.STORAGE_BACKEND == "postgres":
        name = f"{name} at {database['HOST'] or 'localhost'}:{database['PORT'] or 5432}"
    return STORAGES[settings.STORAGE_BACKEND].format(database=name)


def _gateway() -> str:
    if compiled.is_current():
        return "its busiest modules run as machine code"
    return "plain Python; `make compile` makes it faster (needs a C compiler)"


def _broker() -> str:
    scheme = settings.CELERY_BROKER_URL.partition(":")[0]
    return f"files in {processes.queue_folder()}" if scheme == "filesystem" else scheme


def _providers(report: SetupReport) -> list[tuple[str, str]]:
    if report.sandbox:
        texts = list(NOTHING_FOUND)
    else:
        texts = [f"{provider.name} ({source_of(provider, settings.env.from_file)})" for provider in report.providers]
        texts.append(f"{report.models} models")
    return [("Providers" if not number else "", text) for number, text in enumerate(texts)]
