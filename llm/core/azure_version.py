"""Which `api-version` stands in the address of a call to Azure: one rule for calls and for lists of models.

Addresses of the dated kind need one; those that end in `/v1` need none and refuse dated ones, but take `preview`.
Source: https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle
"""

import re

DEFAULT = "2024-10-21"
"""The latest general one of the dated kind."""
DATED = re.compile(r"\d{4}-\d{2}-\d{2}(-preview)?")


def query_of(base_url: str, api_version: str) -> str:
    """`?api-version=...`, or nothing. `api_version` is as configured, empty for none."""
    if not base_url.rstrip("/").endswith("/v1"):
        return f"?api-version={api_version or DEFAULT}"
    return f"?api-version={api_version}" if api_version and not DATED.fullmatch(api_version) else ""
