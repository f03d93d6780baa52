"""`production.yaml`, as environment variables: the form of the product's guide, for those who keep settings in a file.

Its values hold where neither the environment nor `.env` says otherwise. `${NAME}` is replaced by that variable. A key
that is not known stops the start with one line; one that is known but not built yet is told by name, never passed over
in silence. Values never appear in a message: some are provider keys. Next file: `settings.py`, which reads them.
"""

import re
from collections.abc import Iterable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

import yaml

from circuit_breaker.environment import SettingError
from llm.core.provider_row import ProviderRow
from llm.core.providers import PROVIDERS, provider_row

ROOT = "circuit_breaker"
VARIABLES = {
    "server.host": "GATEWAY_HOST",
    "server.port": "OPENAI_PORT",
    "server.workers": "OPENAI_WORKERS",
    "rate_limiting.requests_per_minute": "RATE_LIMIT_PER_MINUTE",
    "rate_limiting.burst_allowance": "BURST_ALLOWANCE",
    "monitoring.health_check_interval": "HEALTH_CHECK_SECONDS",
}
ALWAYS_ON = {"monitoring.metrics_enabled": "/metrics is always there"}
LATER = {
    "routing.default_strategy",
    "routing.enable_cost_optimization",
    "routing.enable_smart_routing",
    "budget.default_daily_limit",
    "budget.alert_thresholds",
    "budget.auto_cutoff_enabled",
}
"""Known, and without effect so far."""
PROVIDER_KEYS = ("enabled", "api_key", "api_keys", "base_url", "rate_limit_rpm")
MOST_BYTES = 1_000_000
REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def apply_file(path: Path, environ: MutableMapping[str, str]) -> tuple[str, ...]:
    """Set the variables the file gives and nothing else has set; what is without effect so far, by name.

    Raises SettingError.
    """
    document = _read(path)
    later: list[str] = []
    for section, content in document.items():
        if section == "providers":
            for name, given in _mapping(path, section, content).items():
                later += _apply_provider(path, str(name), given, environ)
            continue
        for key, value in _mapping(path, section, content).items():
            later += _apply_setting(path, f"{section}.{key}", value, environ)
    return tuple(later)


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise SettingError(f"{path.name} is longer than {MOST_BYTES} bytes.")
        document = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise SettingError(f"{path.name} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise SettingError(f"{path.name} is not YAML{where}.") from None
    if document is None:
        return {}
    if not isinstance(document, dict) or set(document) != {ROOT}:
        raise SettingError(f"{path.name} must have `{ROOT}:` at its top, and nothing beside it.")
    return _mapping(path, ROOT, document[ROOT])


def _apply_setting(path: Path, key: str, value: Any, environ: MutableMapping[str, str]) -> list[str]:
    if key in ALWAYS_ON:
        if value is not True:
            raise SettingError(f"{path.name}: {key} cannot be switched off: {ALWAYS_ON[key]}.")
        return []
    if key in LATER:
        return [key]
    if key not in VARIABLES:
        known = sorted([*VARIABLES, *ALWAYS_ON, *LATER, "providers"])
        raise SettingError(f"{path.name}: {key} is not known: use {', '.join(known)}.")
    _set(environ, VARIABLES[key], _text(path, key, value, environ))
    return []


def _apply_provider(path: Path, name: str, given: Any, environ: MutableMapping[str, str]) -> list[str]:
    row = provider_row(name)
    if row is None:
        names = ", ".join(row.name for row in PROVIDERS)
        raise SettingError(f"{path.name}: providers.{name[:60]} is not known: use {names}; others go into the admin.")
    values = _mapping(path, f"providers.{name}", given)
    known = (*PROVIDER_KEYS, *(("api_version",) if row.versioned else ()))
    for key in values:
        if key not in known:
            raise SettingError(f"{path.name}: providers.{name}.{key} is not known: use {', '.join(known)}.")
    enabled = values.get("enabled", True)
    if not isinstance(enabled, bool):
        raise SettingError(f"{path.name}: providers.{name}.enabled is neither true nor false.")
    if not enabled:
        return _switch_off(path, row, environ)
    secrets = [name for prefix in row.prefixes for name in (f"{prefix}_API_KEY", f"{prefix}_API_KEYS")]
    if not _given(environ, secrets):
        keys = [_text(path, f"providers.{name}.{key}", values.get(key), environ) for key in ("api_key", "api_keys")]
        _set(environ, f"{row.prefixes[0]}_API_KEYS", ",".join(filter(None, keys)))
    if not _given(environ, [f"{prefix}_BASE_URL" for prefix in row.prefixes]):
        address = _text(path, f"providers.{name}.base_url", values.get("base_url"), environ)
        _set(environ, f"{row.prefixes[0]}_BASE_URL", address)
    if row.versioned and not _given(environ, [f"{prefix}_API_VERSION" for prefix in row.prefixes]):
        version = _text(path, f"providers.{name}.api_version", values.get("api_version"), environ)
        _set(environ, f"{row.prefixes[0]}_API_VERSION", version)
    return [f"providers.{name}.rate_limit_rpm"] if "rate_limit_rpm" in values else []


def _switch_off(path: Path, row: ProviderRow, environ: MutableMapping[str, str]) -> list[str]:
    """No key of it comes from outside: only one entered in the admin would still count."""
    if row.auth == "none":
        raise SettingError(f"{path.name}: providers.{row.name} needs no key, so it is switched off in the admin.")
    for prefix in row.prefixes:
        for end in ("API_KEY", "API_KEYS"):
            environ[f"{prefix}_{end}"] = ""
    return []


def _text(path: Path, key: str, value: Any, environ: Mapping[str, str]) -> str:
    """A scalar, or a list of them with commas between, with its references replaced."""
    if isinstance(value, list):
        return ",".join(_text(path, key, each, environ) for each in value)
    if isinstance(value, dict):
        raise SettingError(f"{path.name}: {key} must be a value, not a section.")
    text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return REFERENCE.sub(lambda found: environ.get(found.group(1), ""), text)


def _mapping(path: Path, key: str, given: Any) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise SettingError(f"{path.name}: {key} must be a section with keys of its own.")
    return {str(name): value for name, value in given.items()}


def _given(environ: Mapping[str, str], names: Iterable[str]) -> bool:
    return any(environ.get(name, "").strip() for name in names)


def _set(environ: MutableMapping[str, str], name: str, value: str) -> None:
    if value and not environ.get(name, "").strip():
        environ[name] = value
