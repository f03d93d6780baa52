"""Django's settings: every environment variable the product reads, typed, in one place.

Precedence: environment, then `.env`, then `production.yaml`, then the defaults here. An impossible value stops the
start with one clear line (`environment.py`). `.env.example` lists the same names, and a test compares the two. The
gateway has no Django and reads its own few (`llm/gateway/settings.py`); `manage.py serve` hands them over
(`processes.py`).
"""

import hashlib
import ipaddress
import os
import secrets
from pathlib import Path
from typing import Any

import environ

from circuit_breaker.appearance import UNFOLD as UNFOLD
from circuit_breaker.environment import Environment, SettingError

BASE_DIR = Path(__file__).resolve().parent.parent
# ENV_FILE names another file; tests name one that does not exist, so that nobody's own `.env` changes their outcome.
env = Environment(Path(os.environ.get("ENV_FILE") or BASE_DIR / ".env"))
CONFIG_FILE = env.text("CONFIG_FILE")
WITHOUT_EFFECT: tuple[str, ...] = ()  # what the file asks for that is not built yet; the banner tells
if CONFIG_FILE or (BASE_DIR / "production.yaml").exists():
    from circuit_breaker.production_file import apply_file  # YAML is read by those who have such a file

    WITHOUT_EFFECT = apply_file(Path(CONFIG_FILE or BASE_DIR / "production.yaml").expanduser(), os.environ)

# --- where data lies -------------------------------------------------------------------------------------------------
DATA_DIR = Path(env.text("DATA_DIR", str(BASE_DIR / "var"))).expanduser().resolve()
try:
    DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)  # database, journal, keys: for their owner only
except OSError as error:
    raise SettingError(f"DATA_DIR={str(DATA_DIR)!r} cannot be made: {error.strerror}.") from error

if env.text("STORAGE_BACKEND").lower() == "nats":
    raise SettingError("STORAGE_BACKEND='nats' is not there yet: use memory, sqlite or postgres.")
STORAGE_BACKEND = env.choice("STORAGE_BACKEND", ["memory", "sqlite", "postgres"], "memory")
DATABASE_URL = env.url(
    "DATABASE_URL", ["postgres", "postgresql", "pgsql"], "postgres://postgres@127.0.0.1:5432/circuit_breaker"
)
DATABASE_POOL_SIZE = env.integer("DATABASE_POOL_SIZE", 16, 2, 500)
TEST_DATABASE_NAME = env.text("TEST_DATABASE_NAME", "test_circuit_breaker")


def _postgres() -> dict[str, Any]:
    try:
        configured: dict[str, Any] = environ.Env.db_url_config(DATABASE_URL)
    except ValueError:  # its text may hold a piece of the password
        raise SettingError("DATABASE_URL cannot be read: write postgres://user@host:5432/name.") from None
    # One pool a process; a request beyond it waits for a free connection up to the timeout, then fails: UNAVAILABLE.
    pool = {"min_size": 1, "max_size": DATABASE_POOL_SIZE, "timeout": 5, "max_idle": 120}
    return configured | {
        "ENGINE": "django.db.backends.postgresql",
        "OPTIONS": configured.get("OPTIONS", {}) | {"connect_timeout": 5, "pool": pool},
        "TEST": {"NAME": TEST_DATABASE_NAME},
    }


def _sqlite() -> dict[str, Any]:
    name = "memory.sqlite3" if STORAGE_BACKEND == "memory" else "circuit_breaker.sqlite3"
    synchronous = "OFF" if STORAGE_BACKEND == "memory" else "NORMAL"
    try:
        (DATA_DIR / name).touch(mode=0o600)  # before any command opens it: SQLite would let others read it
    except OSError as error:
        raise SettingError(f"The database {str(DATA_DIR / name)!r} cannot be written: {error.strerror}.") from error
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


DATABASES = {"default": _postgres() if STORAGE_BACKEND == "postgres" else _sqlite()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- secrets ---------------------------------------------------------------------------------------------------------


def _secret_key() -> str:
    """SECRET_KEY if set; else one made once and kept beside the data, readable by its owner only."""
    given = env.text("SECRET_KEY")
    if given:
        return given
    path = DATA_DIR / "secret_key"
    if not path.exists():
        # Written whole under another name first: two processes starting at once must not read half a key.
        fresh = path.with_name(f"secret_key.{os.getpid()}")
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_urlsafe(48))
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass  # the other process was faster; its key counts
        finally:
            fresh.unlink()
    return path.read_text()


SECRET_KEY = _secret_key()
UPLINK_SECRET = env.text("UPLINK_SECRET", hashlib.sha256(f"uplink:{SECRET_KEY}".encode()).hexdigest())
DEBUG = env.boolean("DEBUG", False)
ALLOWED_HOSTS = env.listed("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.listed("CSRF_TRUSTED_ORIGINS")

# --- what listens where ----------------------------------------------------------------------------------------------
OPENAI_PORT = env.port("OPENAI_PORT", 3000)
GRAPHQL_PORT = env.port("GRAPHQL_PORT", 4000)
SANDBOX_PORT = env.port("SANDBOX_PORT", 0, least=0)  # 0: any free port; it listens on loopback only
GATEWAY_HOST = env.text("GATEWAY_HOST", "127.0.0.1")
CONTROL_HOST = env.text("CONTROL_HOST", "127.0.0.1")
API_KEY_REQUIRED = env.boolean("API_KEY_REQUIRED", False)
OPEN_TO_NETWORK = env.boolean("OPEN_TO_NETWORK", False)
OPENAI_WORKERS = env.integer("OPENAI_WORKERS", 1, 1, 64)
DRAIN_SECONDS = env.seconds("DRAIN_SECONDS", 20.0, 0.5, 3600)  # for all of them together, when `serve` is ended
_scheme = "https" if os.environ.get("GATEWAY_TLS_CERT", "").strip() else "http"
GATEWAY_URL = env.url("GATEWAY_URL", ["http", "https"], f"{_scheme}://127.0.0.1:{OPENAI_PORT}/v1")
SANDBOX_URL = env.url("SANDBOX_URL", ["http", "https"])


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refuse_open_network() -> None:
    if OPEN_TO_NETWORK:
        return
    if not _loopback(GATEWAY_HOST) and not API_KEY_REQUIRED:
        raise SettingError(
            f"GATEWAY_HOST={GATEWAY_HOST!r} would let anyone on the network in, as no API key is asked for:"
            " set API_KEY_REQUIRED=true, use 127.0.0.1, or set OPEN_TO_NETWORK=true if that is what you want."
        )
    if not _loopback(CONTROL_HOST):
        raise SettingError(
            f"CONTROL_HOST={CONTROL_HOST!r} would let anyone on the network in, as GraphQL asks for no key:"
            " use 127.0.0.1, or set OPEN_TO_NETWORK=true if that is what you want."
        )


_refuse_open_network()
if OPENAI_PORT == GRAPHQL_PORT:
    raise SettingError(f"OPENAI_PORT and GRAPHQL_PORT are both {OPENAI_PORT}: give one of them another port.")

# --- what the gateway is told (read and used in llm/gateway/settings.py) ----------------------------------------------
REQUEST_TIMEOUT_SECONDS = env.seconds("REQUEST_TIMEOUT_SECONDS", 120.0, 0.1, 86_400)
CONNECTION_POOL_SIZE = env.integer("CONNECTION_POOL_SIZE", 100, 1, 100_000)
MAX_CONCURRENT_REQUESTS = env.integer("MAX_CONCURRENT_REQUESTS", 10_000, 1, 1_000_000)  # all workers together
if MAX_CONCURRENT_REQUESTS < OPENAI_WORKERS:
    raise SettingError(
        f"MAX_CONCURRENT_REQUESTS={MAX_CONCURRENT_REQUESTS} is shared by {OPENAI_WORKERS} workers (OPENAI_WORKERS):"
        " it must be at least one each."
    )
RATE_LIMIT_PER_MINUTE = env.integer("RATE_LIMIT_PER_MINUTE", 0, 0, 1_000_000_000)  # 0: none
BURST_ALLOWANCE = env.integer("BURST_ALLOWANCE", 0, 0, 1_000_000_000)  # 0: a minute's worth
CORS_ENABLED = env.boolean("CORS_ENABLED", True)
CORS_ORIGINS = env.listed("CORS_ORIGINS")

# How often providers are asked for their list of models, which shows whether they answer; 0: never.
HEALTH_CHECK_SECONDS = env.seconds("HEALTH_CHECK_SECONDS", 60.0, 0, 86_400)
PROVIDER_CA_FILE = env.text("PROVIDER_CA_FILE")

# --- applications ----------------------------------------------------------------------------------------------------
# `daphne` itself is not among them: its app only replaces `runserver`, and would load Twisted into every command.
INSTALLED_APPS = [
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
    "circuit_breaker.requests.RequestIdMiddleware",
    "circuit_breaker.requests.HostMiddleware",
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
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True
LANGUAGE_CODE = "en"
USE_TZ = True
TIME_ZONE = "UTC"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024  # the same bound as circuit_breaker/server.py sets on the wire

# --- GraphQL, live updates, tasks ------------------------------------------------------------------------------------
GRAPHENE = {"SCHEMA": "circuit_breaker.schema.schema"}
REDIS_URL = env.url("REDIS_URL", ["redis", "rediss", "unix"])
CHANNEL_LAYERS = {
    "default": (
        {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [REDIS_URL]}}
        if REDIS_URL
        else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
    )
}
# How long a live view may miss a wake-up: the log is re-read this often. Without Redis a wake-up crosses no process.
LIVE_POLL_SECONDS = env.seconds("LIVE_POLL_SECONDS", 1.0 if REDIS_URL else 0.1, 0.01, 60)

CELERY_BROKER_URL = env.url(
    "CELERY_BROKER_URL", ["filesystem", "redis", "rediss", "amqp", "amqps", "pyamqp"], "filesystem://"
)
WORKER_CONCURRENCY = env.integer("WORKER_CONCURRENCY", 8, 1, 500)
# A claimed effect whose worker has not renewed its lease for this long is run again by another.
EFFECT_LEASE_SECONDS = env.seconds("EFFECT_LEASE_SECONDS", 15.0, 1, 3600)
# How often a worker looks for effects whose message was lost or whose lease ran out.
SWEEP_SECONDS = env.seconds("SWEEP_SECONDS", 1.0, 0.1, 3600)
# A case that finished so long ago is moved to the archive, where it can still be read; 0: never.
ARCHIVE_AFTER_DAYS = env.integer("ARCHIVE_AFTER_DAYS", 30, 0, 36_500)
FUNCTIONS_FILE = env.text("FUNCTIONS_FILE")  # what workflows may run; without it, nothing

# Results are in the database, and the outbox, not the broker, brings lost work back. See circuit_breaker/celery.py.
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # an absent broker is waited for, never a reason to die
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0.1}
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {"socket_connect_timeout": 3}
if CELERY_BROKER_URL.startswith("filesystem"):
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "polling_interval": 0.05,
        "data_folder_in": str(DATA_DIR / "queue"),
        "data_folder_out": str(DATA_DIR / "queue"),
        "processed_folder": str(DATA_DIR / "queue" / "taken"),
        "control_folder": str(DATA_DIR / "queue" / "control"),
    }
elif CELERY_BROKER_URL.startswith(("amqp", "pyamqp")):
    CELERY_BROKER_TRANSPORT_OPTIONS = {"confirm_publish": True}

# --- logs ------------------------------------------------------------------------------------------------------------
LEVELS = ["trace", "debug", "info", "warn", "warning", "error"]
# RUST_LOG is the name the product's first users know; per-module filters (`info,tower=warn`) keep their first word.
_rust_log = env.text("RUST_LOG", "info").split(",")[0].split("=")[-1].lower()
LOG_LEVEL = env.choice("LOG_LEVEL", LEVELS, _rust_log if _rust_log in LEVELS else "info")
_django_level = {"trace": "DEBUG", "warn": "WARNING"}.get(LOG_LEVEL, LOG_LEVEL.upper())
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": _django_level},
    "loggers": {
        # One line a request and a connection is the access log: asked for with LOG_LEVEL=debug.
        "django": {"handlers": [], "level": _django_level, "propagate": True},
        "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
        "django.request": {"level": "ERROR"},  # a client's mistake is no warning to us
        "daphne": {"level": "WARNING" if LOG_LEVEL == "info" else _django_level},
        "celery": {"level": "WARNING" if LOG_LEVEL == "info" else _django_level},
        "kombu": {"level": "WARNING" if LOG_LEVEL == "info" else _django_level},
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},  # at debug it and hpack write headers down, keys among them
        "hpack": {"level": "WARNING"},
        "h2": {"level": "WARNING"},
        "psycopg.pool": {"level": "ERROR"},  # a failed request says why by itself; the pool would repeat it for minutes
        "kombu.connection": {"level": "ERROR"},  # "no hostname": folders have none
        "asyncio": {"level": "WARNING" if LOG_LEVEL in ("info", "debug", "trace") else _django_level},
    },
}
