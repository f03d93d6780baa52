"""Django's settings: every environment variable the control plane reads, typed, in one place.

Precedence: environment, then `.env`, then the defaults here. An impossible value stops the start with one clear line.
The gateway process has no Django and reads its own few (`llm/gateway/settings.py`); `manage.py serve` hands them over.
"""

import hashlib
import secrets
from pathlib import Path
from typing import Any

import environ

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
environ.Env.read_env(str(BASE_DIR / ".env"))

# --- where data lies -------------------------------------------------------------------------------------------------
DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / "var"))).resolve()
DATA_DIR.mkdir(parents=True, exist_ok=True)
STORAGE_BACKEND = env.str("STORAGE_BACKEND", default="memory")


def _database() -> dict[str, Any]:
    if STORAGE_BACKEND == "postgres":
        configured: dict[str, Any] = env.db_url("DATABASE_URL", default="postgres://127.0.0.1:5432/circuit_breaker")
        configured["ENGINE"] = "django.db.backends.postgresql"
        configured["TEST"] = {"NAME": env.str("TEST_DATABASE_NAME", default="test_circuit_breaker")}
        return configured
    name = "memory.sqlite3" if STORAGE_BACKEND == "memory" else "circuit_breaker.sqlite3"
    synchronous = "OFF" if STORAGE_BACKEND == "memory" else "NORMAL"
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(DATA_DIR / name),
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": f"PRAGMA journal_mode=WAL; PRAGMA synchronous={synchronous}; PRAGMA foreign_keys=ON;",
        },
        # A file, not :memory:, so that tests may use several connections as the real processes do.
        "TEST": {"NAME": str(DATA_DIR / f"test-{name}")},
    }


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"


def _secret_key() -> str:
    """SECRET_KEY if set; else one made once and kept beside the data, readable by its owner only."""
    given: str = env.str("SECRET_KEY", default="")
    if given:
        return given
    path = DATA_DIR / "secret_key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(48))
    return path.read_text()


SECRET_KEY = _secret_key()
UPLINK_SECRET = env.str("UPLINK_SECRET", default=hashlib.sha256(f"uplink:{SECRET_KEY}".encode()).hexdigest())
DEBUG = env.bool("DEBUG", default=False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])

# --- the ports -------------------------------------------------------------------------------------------------------
OPENAI_PORT = env.int("OPENAI_PORT", default=3000)
GRAPHQL_PORT = env.int("GRAPHQL_PORT", default=4000)
GATEWAY_URL = env.str("GATEWAY_URL", default=f"http://127.0.0.1:{OPENAI_PORT}/v1")

# --- applications ----------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "daphne",
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "graphene_django",
    "graphene_django_graphiql_static",
    "billing.apps.BillingConfig",
    "llm.apps.LlmConfig",
    "workflows.apps.WorkflowsConfig",
    "agents.apps.AgentsConfig",
    "circuit_breaker.apps.CircuitBreakerConfig",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "circuit_breaker.urls"
ASGI_APPLICATION = "circuit_breaker.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True
LANGUAGE_CODE = "en"
USE_TZ = True
TIME_ZONE = "UTC"

# --- GraphQL, live updates, tasks ------------------------------------------------------------------------------------
GRAPHENE = {"SCHEMA": "circuit_breaker.schema.schema"}
REDIS_URL = env.str("REDIS_URL", default="")
CHANNEL_LAYERS = {
    "default": (
        {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [REDIS_URL]}}
        if REDIS_URL
        else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
    )
}
# How long a live view may miss a wake-up: the log is re-read this often. Without Redis a wake-up crosses no process.
LIVE_POLL_SECONDS = env.float("LIVE_POLL_SECONDS", default=1.0 if REDIS_URL else 0.1)

CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="filesystem://")
# A claimed effect whose worker has not renewed its lease for this long is run again by another.
EFFECT_LEASE_SECONDS = env.float("EFFECT_LEASE_SECONDS", default=15.0)
