"""What the environment says of providers: `<prefix>_API_KEY(S)`, `<prefix>_BASE_URL`, Azure's `_API_VERSION`. Pure.

The variables are read by name from a mapping the caller gives; keys stay out of every repr. Who reads the real
environment, `.env` and the configuration file is `circuit_breaker`; `services/environment.py` stores what was read.
"""

from collections.abc import Mapping

import msgspec

from llm.core.provider_row import ProviderRow
from llm.core.providers import complete_base_url


class EnvironmentSettings(msgspec.Struct, frozen=True):
    """What the environment says of one provider. Its repr hides the keys."""

    keys: tuple[str, ...]
    """Each once, in the order given."""
    base_url: str
    """Empty when the environment names none."""
    api_version: str = ""
    """Of Azure."""

    def __repr__(self) -> str:
        return f"EnvironmentSettings(keys=<{len(self.keys)}>, base_url={self.base_url!r})"


def read_environment(row: ProviderRow, environ: Mapping[str, str]) -> EnvironmentSettings:
    """Keys from `<prefix>_API_KEY` and the comma-separated `<prefix>_API_KEYS`, base URL from `<prefix>_BASE_URL`."""
    keys: dict[str, None] = {}
    base_url = ""
    for prefix in row.prefixes:
        given = environ.get(f"{prefix}_API_KEY", "") + "," + environ.get(f"{prefix}_API_KEYS", "")
        keys.update(dict.fromkeys(key.strip() for key in given.split(",") if key.strip()))
        base_url = base_url or environ.get(f"{prefix}_BASE_URL", "").strip()
    if row.auth == "none":
        keys = {}
    versions = [environ.get(f"{prefix}_API_VERSION", "").strip() for prefix in row.prefixes if row.versioned]
    return EnvironmentSettings(
        tuple(keys), complete_base_url(row, base_url) if base_url else "", next(filter(None, versions), "")
    )
