"""Looks up secrets by reference when they are needed, and takes them out of everything that is kept or shown.

Environment variables are the worker's own; files are read anew at each use, so that a rotated secret counts at once.
"""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from workflows.core.errors import EffectFailed
from workflows.core.functions import SecretReference

REDACTED = "[redacted]"
MOST_BYTES = 65_536


def resolve(references: Mapping[str, SecretReference]) -> dict[str, str]:
    """The secrets by name. Raises EffectFailed, which names the reference only."""
    return {name: _resolve(name, reference) for name, reference in references.items()}


def redact(text: str, secrets: Collection[str]) -> str:
    """`text` with every secret in it replaced; longer ones first, as one may be a part of another."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, REDACTED)
    return text


def redact_value(value: Any, secrets: Collection[str]) -> Any:
    """The same for every text of a JSON value, keys too."""
    if not secrets:
        return value
    if isinstance(value, str):
        return redact(value, secrets)
    if isinstance(value, list):
        return [redact_value(each, secrets) for each in value]
    if isinstance(value, dict):
        return {redact(key, secrets): redact_value(each, secrets) for key, each in value.items()}
    return value


def _resolve(name: str, reference: SecretReference) -> str:
    if reference.source == "env":
        found = os.environ.get(reference.where, "")
    else:
        try:
            with Path(reference.where).open("rb") as file:
                found = file.read(MOST_BYTES).decode().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not UTF-8"
            raise EffectFailed(f"The secret {name} ({reference}) cannot be read: {why}.") from None
    if not found:
        raise EffectFailed(f"The secret {name} ({reference}) is not set where the worker runs.")
    if not found.isprintable():
        raise EffectFailed(f"The secret {name} ({reference}) holds characters that cannot be printed.")
    return found
