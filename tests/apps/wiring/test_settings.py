"""Settings: what is refused and how it is said, what is derived, and that .env.example tells the truth."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from circuit_breaker import settings
from llm.core.providers import PROVIDERS

ROOT = Path(__file__).resolve().parents[3]


def read(tmp_path: Path, show: str = "", env_file: str = "", **given: str) -> subprocess.CompletedProcess[str]:
    """`manage.py` with only these settings; prints the value of `show`."""
    (tmp_path / "env").write_text(env_file)
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path / "data"), "ENV_FILE": str(tmp_path / "env")}
    program = ["-c", f"import circuit_breaker.settings as s; print({show})"] if show else ["manage.py", "serve"]
    return subprocess.run(
        [sys.executable, *program], cwd=ROOT, env=environment | given, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"STORAGE_BACKEND": "mysql"}, "STORAGE_BACKEND='mysql' is not known: use memory, sqlite or postgres."),
        ({"STORAGE_BACKEND": "nats"}, "STORAGE_BACKEND='nats' is not there yet: use memory, sqlite or postgres."),
        ({"OPENAI_PORT": "http"}, "OPENAI_PORT='http' is not a whole number."),
        ({"OPENAI_PORT": "0"}, "OPENAI_PORT=0 is out of range: from 1 to 65535."),
        ({"GRAPHQL_PORT": "70000"}, "GRAPHQL_PORT=70000 is out of range: from 1 to 65535."),
        ({"GRAPHQL_PORT": "3000"}, "OPENAI_PORT and GRAPHQL_PORT are both 3000: give one of them another port."),
        ({"OPENAI_WORKERS": "-1"}, "OPENAI_WORKERS=-1 is out of range: from 1 to 64."),
        ({"CORS_ENABLED": "maybe"}, "CORS_ENABLED='maybe' is neither true nor false."),
        ({"REQUEST_TIMEOUT_SECONDS": "soon"}, "REQUEST_TIMEOUT_SECONDS='soon' is not a number of seconds."),
        ({"LIVE_POLL_SECONDS": "nan"}, "LIVE_POLL_SECONDS=nan is out of range: from 0.01 to 60 seconds."),
        (
            {"LOG_LEVEL": "loud"},
            "LOG_LEVEL='loud' is not known: use trace, debug, info, warn, warning or error.",
        ),
        ({"REDIS_URL": "localhost:6379"}, "REDIS_URL is not a URL: use redis://, rediss:// or unix://."),
        (
            {"CELERY_BROKER_URL": "kafka://:secret@host"},
            "CELERY_BROKER_URL begins with kafka://: use filesystem://, redis://, rediss://, amqp://, amqps:// or pyamqp://.",
        ),
        (
            {"STORAGE_BACKEND": "postgres", "DATABASE_URL": "postgres://u:secret@host:port/x"},
            "DATABASE_URL cannot be read: write postgres://user@host:5432/name.",
        ),
        (
            {"GATEWAY_HOST": "0.0.0.0"},
            "GATEWAY_HOST='0.0.0.0' would let anyone on the network in, as no API key is asked for:"
            " set API_KEY_REQUIRED=true, use 127.0.0.1, or set OPEN_TO_NETWORK=true if that is what you want.",
        ),
        (
            {"CONTROL_HOST": "0.0.0.0", "API_KEY_REQUIRED": "true"},
            "CONTROL_HOST='0.0.0.0' would let anyone on the network in, as GraphQL asks for no key:"
            " use 127.0.0.1, or set OPEN_TO_NETWORK=true if that is what you want.",
        ),
        (
            {"MAX_CONCURRENT_REQUESTS": "1", "OPENAI_WORKERS": "2"},
            "MAX_CONCURRENT_REQUESTS=1 is shared by 2 workers (OPENAI_WORKERS): it must be at least one each.",
        ),
        ({"DATA_DIR": "/proc/none"}, "DATA_DIR='/proc/none' cannot be made: No such file or directory."),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_an_impossible_value_is_one_line_and_exit_code_1(tmp_path: Path, given: dict[str, str], line: str) -> None:
    done = read(tmp_path, **given)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"Settings: {line}\n")


@pytest.mark.parametrize(
    ("given", "level"),
    [
        ({}, "info"),
        ({"RUST_LOG": "debug"}, "debug"),
        ({"RUST_LOG": "warn,hyper=info"}, "warn"),
        ({"RUST_LOG": "debug", "LOG_LEVEL": "error"}, "error"),
        ({"LOG_LEVEL": "WARNING"}, "warning"),
    ],
)
def test_rust_log_is_an_alias_of_log_level(tmp_path: Path, given: dict[str, str], level: str) -> None:
    assert read(tmp_path, "s.LOG_LEVEL", **given).stdout == f"{level}\n"


def test_the_environment_wins_over_the_file_and_empty_means_unset(tmp_path: Path) -> None:
    show = "s.OPENAI_PORT, s.GRAPHQL_PORT, s.SANDBOX_PORT, sorted(s.env.from_file)"
    file = "OPENAI_PORT=3100\nGRAPHQL_PORT=4100\n"
    done = read(tmp_path, show, file, OPENAI_PORT="3200", SANDBOX_PORT="")
    assert done.stdout == "3200 4100 0 ['GRAPHQL_PORT']\n"


def test_the_secret_key_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    first, second = (read(tmp_path, "s.SECRET_KEY").stdout for _ in range(2))
    assert first == second and len(first) > 50
    assert (tmp_path / "data" / "secret_key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert read(tmp_path, "s.SECRET_KEY", SECRET_KEY="mine").stdout == "mine\n"


def test_env_example_and_the_settings_name_the_same_variables() -> None:
    example = re.findall(r"^# ?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert len(example) == len(set(example)), "each once"
    providers = {name for row in PROVIDERS for name in row.variables}
    providers -= {"OLLAMA_API_KEY", "OLLAMA_API_KEYS"}
    own = "".join((ROOT / "llm/gateway" / file).read_text() for file in ("settings.py", "http_limits.py"))
    gateway = set(re.findall(r'"([A-Z]+(?:_[A-Z0-9]+)+)"', own)) - {"LOG_LEVELS"}
    assert "UPLINK_URL" in gateway
    assert set(example) == settings.env.names | providers | gateway


def test_env_example_shows_the_defaults(tmp_path: Path) -> None:
    """With every line of it taken in, the settings are the same as without it."""
    shown = "{k: v for k, v in vars(s).items() if k.isupper() and k != 'UNFOLD'}"
    lines = (ROOT / ".env.example").read_text().splitlines()
    taken_in = "\n".join(line.removeprefix("# ") for line in lines if re.match(r"# [A-Z][A-Z0-9_]+=.", line))
    taken_in = taken_in.replace("DATA_DIR=var", f"DATA_DIR={tmp_path}/data")
    without = read(tmp_path, shown)
    with_all = read(tmp_path, shown, taken_in)
    assert without.returncode == 0, without.stderr
    assert with_all.stdout == without.stdout


def test_a_comment_behind_a_value_in_the_file_is_no_part_of_it(tmp_path: Path) -> None:
    written = "STORAGE_BACKEND=sqlite  # or postgres\nSECRET_KEY='a # b'\n"
    ended = read(tmp_path, "s.STORAGE_BACKEND, s.SECRET_KEY", written)
    assert ended.stdout == "sqlite a # b\n", ended.stderr
