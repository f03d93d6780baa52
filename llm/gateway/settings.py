"""The gateway's settings: read once from the environment, typed, refused with one clear line if odd. No file is read.

`manage.py serve` hands these over; a container sets them itself. Nothing else in this package reads the environment,
and the secret does not show in the repr.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from llm.gateway.http_limits import BOUND_SETTINGS, LIMIT_SETTINGS, Bounds, Limits
from llm.gateway.proxies import Proxies, read_proxies

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off", ""})
LOG_LEVELS = {
    "trace": "DEBUG",
    "debug": "DEBUG",
    "info": "INFO",
    "warn": "WARNING",
    "warning": "WARNING",
    "error": "ERROR",
}


class SettingsError(ValueError):
    """A setting cannot be right; the message names it."""


class Settings(msgspec.Struct, frozen=True):
    """One worker's settings, with their defaults."""

    host: str = "127.0.0.1"
    """GATEWAY_HOST"""
    port: int = 3000
    """OPENAI_PORT; 0 lets the system choose."""
    shared_port: bool = False
    """GATEWAY_SHARED_PORT: several worker processes listen on the one port."""
    uplink_url: str = "ws://127.0.0.1:4000/uplink"
    """UPLINK_URL"""
    uplink_secret: str = ""
    """UPLINK_SECRET"""
    journal_dir: Path = Path("var/journal")
    """JOURNAL_DIR; each worker owns the folder of its name in it."""
    name: str = "gateway-0"
    """GATEWAY_NAME: stable across restarts of one worker slot."""
    request_timeout: float = 120.0
    """REQUEST_TIMEOUT_SECONDS: a whole answer, or, streamed, each wait for the next event."""
    max_concurrent: int = 10_000
    """MAX_CONCURRENT_REQUESTS of this worker; the next one gets 503."""
    cors: bool = True
    """CORS_ENABLED: web pages served from this machine may call the API from a browser."""
    cors_origins: tuple[str, ...] = ()
    """CORS_ORIGINS: other pages that may, separated by commas, or `*` for all. Without API keys a page
    the user merely visits must not be able to spend money."""
    api_key_required: bool = False
    """API_KEY_REQUIRED: no call without a valid API key. Else none is needed, and a revoked one is still refused."""
    rate_limit: int | None = None
    """RATE_LIMIT_PER_MINUTE: requests, for keys without limits of their own and for each address without a key."""
    burst: int | None = None
    """BURST_ALLOWANCE: how many of those may come at once; unset or 0: a minute's worth."""
    log_level: str = "INFO"
    """LOG_LEVEL, or RUST_LOG"""
    drain_seconds: float = 30.0
    """GATEWAY_DRAIN_SECONDS: how long ending may take after SIGTERM, most of it for calls under way."""
    limits: Limits = Limits()
    """What one client may cost: `LIMIT_SETTINGS`."""
    bounds: Bounds = Bounds()
    """What calls to providers may cost: `BOUND_SETTINGS`."""
    tls_cert: Path | None = None
    """GATEWAY_TLS_CERT: the certificate chain to listen with; without one, plain HTTP."""
    tls_key: Path | None = None
    """GATEWAY_TLS_KEY; unset, the key is in the certificate's file."""
    provider_ca_file: Path | None = None
    """PROVIDER_CA_FILE: certificate authorities trusted besides the system's."""
    provider_http2: tuple[str, ...] = ()
    """PROVIDER_HTTP2: hosts called over HTTP/2, separated by commas, or `*`."""
    remote_images: bool = True
    """REMOTE_IMAGES: fetch images given by address, for providers that take bytes only."""
    remote_image_hosts: tuple[str, ...] = ()
    """REMOTE_IMAGE_HOSTS: hosts, separated by commas, that images may come from though their address is not public."""
    proxies: Proxies = Proxies()
    """HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY: `proxies.py`."""
    replay_bytes: int = 1024 * 1024
    """STREAM_REPLAY_BYTES: what is kept of one stream for readers; beyond it its oldest events are forgotten."""
    replay_total_bytes: int = 32 * 1024 * 1024
    """STREAM_REPLAY_TOTAL_BYTES: of all streams of this worker together."""
    replay_seconds: float = 60.0
    """STREAM_REPLAY_SECONDS: how long a finished stream can be read again."""
    grace_seconds: float = 30.0
    """STREAM_GRACE_SECONDS: how long a stream with event ids goes on when its client has gone; 0: not at all."""
    keep_alive_seconds: float = 15.0
    """STREAM_KEEP_ALIVE_SECONDS: a comment is sent when a stream was silent for so long."""
    head_seconds: float = 45.0
    """STREAM_HEAD_SECONDS: with no event yet after so long, the head is sent; from then on no other candidate is
    tried."""

    def __repr__(self) -> str:
        return f"Settings(name={self.name!r}, host={self.host!r}, port={self.port}, uplink_url={self.uplink_url!r})"


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Raises SettingsError naming the variable."""
    default = Settings()
    name = environment.get("GATEWAY_NAME") or default.name
    if "/" in name or name.startswith("."):
        raise SettingsError(f"GATEWAY_NAME={name!r} must be a plain name: it names a folder.")
    url = environment.get("UPLINK_URL") or default.uplink_url
    if not url.startswith(("ws://", "wss://")):
        raise SettingsError(f"UPLINK_URL={url!r} must begin with ws:// or wss://.")
    return Settings(
        host=environment.get("GATEWAY_HOST") or default.host,
        port=int(_number(environment, "OPENAI_PORT", default.port, 0, 65_535)),
        shared_port=_switch(environment, "GATEWAY_SHARED_PORT", default.shared_port),
        uplink_url=url,
        uplink_secret=environment.get("UPLINK_SECRET", ""),
        journal_dir=Path(environment.get("JOURNAL_DIR") or default.journal_dir),
        name=name,
        request_timeout=_number(environment, "REQUEST_TIMEOUT_SECONDS", default.request_timeout, 0.1, 86_400),
        max_concurrent=int(_number(environment, "MAX_CONCURRENT_REQUESTS", default.max_concurrent, 1, 1_000_000)),
        cors=_switch(environment, "CORS_ENABLED", default.cors),
        cors_origins=_listed(environment, "CORS_ORIGINS"),
        api_key_required=_switch(environment, "API_KEY_REQUIRED", default.api_key_required),
        rate_limit=_limit(environment, "RATE_LIMIT_PER_MINUTE"),
        burst=_limit(environment, "BURST_ALLOWANCE"),
        log_level=_log_level(environment),
        drain_seconds=_number(environment, "GATEWAY_DRAIN_SECONDS", default.drain_seconds, 0, 3_600),
        limits=msgspec.structs.replace(default.limits, **_numbers(environment, LIMIT_SETTINGS, default.limits)),
        bounds=msgspec.structs.replace(default.bounds, **_numbers(environment, BOUND_SETTINGS, default.bounds)),
        tls_cert=_tls_cert(environment),
        tls_key=_path(environment, "GATEWAY_TLS_KEY"),
        provider_ca_file=_path(environment, "PROVIDER_CA_FILE"),
        provider_http2=_listed(environment, "PROVIDER_HTTP2"),
        remote_images=_switch(environment, "REMOTE_IMAGES", default.remote_images),
        remote_image_hosts=_listed(environment, "REMOTE_IMAGE_HOSTS"),
        proxies=_proxies(environment),
        replay_bytes=int(_number(environment, "STREAM_REPLAY_BYTES", default.replay_bytes, 0, 2**30)),
        replay_total_bytes=int(_number(environment, "STREAM_REPLAY_TOTAL_BYTES", default.replay_total_bytes, 0, 2**40)),
        replay_seconds=_number(environment, "STREAM_REPLAY_SECONDS", default.replay_seconds, 0, 86_400),
        grace_seconds=_number(environment, "STREAM_GRACE_SECONDS", default.grace_seconds, 0, 3_600),
        keep_alive_seconds=_number(environment, "STREAM_KEEP_ALIVE_SECONDS", default.keep_alive_seconds, 0.05, 3_600),
        head_seconds=_number(environment, "STREAM_HEAD_SECONDS", default.head_seconds, 0.05, 86_400),
    )


def _numbers(
    environment: Mapping[str, str], table: Mapping[str, tuple[str, float, float]], default: Limits | Bounds
) -> dict[str, float]:
    return {
        field: _number(environment, name, getattr(default, field), least, most)
        for name, (field, least, most) in table.items()
    }


def _path(environment: Mapping[str, str], name: str) -> Path | None:
    given = environment.get(name, "").strip()
    return Path(given) if given else None


def _tls_cert(environment: Mapping[str, str]) -> Path | None:
    certificate = _path(environment, "GATEWAY_TLS_CERT")
    if certificate is None and _path(environment, "GATEWAY_TLS_KEY") is not None:
        raise SettingsError("GATEWAY_TLS_KEY is set but GATEWAY_TLS_CERT is not: TLS needs both.")
    return certificate


def _listed(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in environment.get(name, "").split(",") if one.strip())


def _proxies(environment: Mapping[str, str]) -> Proxies:
    try:
        return read_proxies(environment)
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _number(environment: Mapping[str, str], name: str, default: float, least: float, most: float) -> float:
    text = environment.get(name, "").strip()
    if not text:
        return default
    try:
        number = float(text) if isinstance(default, float) else int(text)
    except ValueError:
        raise SettingsError(f"{name}={text!r} is not a number.") from None
    if not least <= number <= most:
        raise SettingsError(f"{name}={text} must lie between {least:g} and {most:g}.")
    return number


def _limit(environment: Mapping[str, str], name: str) -> int | None:
    return int(_number(environment, name, 0, 0, 1_000_000_000)) or None


def _switch(environment: Mapping[str, str], name: str, default: bool) -> bool:
    text = environment.get(name)
    if text is None:
        return default
    if text.strip().lower() in TRUE:
        return True
    if text.strip().lower() in FALSE:
        return False
    raise SettingsError(f"{name}={text!r} must be true or false.")


def _log_level(environment: Mapping[str, str]) -> str:
    given = environment.get("LOG_LEVEL") or environment.get("RUST_LOG") or "info"
    level = LOG_LEVELS.get(given.split(",")[0].strip().lower())
    if level is None:
        raise SettingsError(f"LOG_LEVEL={given!r} must be one of {', '.join(LOG_LEVELS)}.")
    return level
