"""Typed reading of environment variables: what every line of `settings.py` is made of.

Each read notes the variable's name, so that a test can compare the settings with `.env.example` in both directions. An
impossible value raises SettingError, whose message is one line that names the variable, the value and what is allowed.
Values of secrets never appear in a message. An empty variable counts as unset. Next: `settings.py`.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off"})


class SettingError(ImproperlyConfigured):
    """A setting that cannot be meant so. `str(error)` is the one line to show."""


class Environment:
    """The process's environment over an optional `.env` file; the environment wins.

    `names` collects every variable asked for; `from_file` the ones whose value came from the file.
    """

    def __init__(self, file: Path) -> None:
        self.names: set[str] = set()
        self.from_file: set[str] = set()
        if file.is_file():
            before = set(os.environ)
            environ.Env.read_env(str(file), parse_comments=True)  # `NAME=value  # why` is written by many
            self.from_file = set(os.environ) - before

    def text(self, name: str, default: str = "") -> str:
        self.names.add(name)
        return os.environ.get(name, "").strip() or default

    def choice(self, name: str, allowed: Sequence[str], default: str) -> str:
        value = self.text(name, default).lower()
        if value not in allowed:
            raise SettingError(f"{name}={value!r} is not known: use {_either(allowed)}.")
        return value

    def boolean(self, name: str, default: bool) -> bool:
        value = self.text(name, "true" if default else "false").lower()
        if value not in TRUE | FALSE:
            raise SettingError(f"{name}={value!r} is neither true nor false.")
        return value in TRUE

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        value = self.text(name, str(default))
        try:
            number = int(value)
        except ValueError:
            raise SettingError(f"{name}={value!r} is not a whole number.") from None
        if not least <= number <= most:
            raise SettingError(f"{name}={number} is out of range: from {least} to {most}.")
        return number

    def port(self, name: str, default: int, least: int = 1) -> int:
        return self.integer(name, default, least, 65535)

    def seconds(self, name: str, default: float, least: float, most: float) -> float:
        value = self.text(name, str(default))
        try:
            number = float(value)
        except ValueError:
            raise SettingError(f"{name}={value!r} is not a number of seconds.") from None
        if not least <= number <= most:  # also refuses NaN
            raise SettingError(f"{name}={value} is out of range: from {least:g} to {most:g} seconds.")
        return number

    def url(self, name: str, schemes: Sequence[str], default: str = "") -> str:
        """A URL with one of these schemes. The message shows the scheme only: URLs carry passwords."""
        value = self.text(name, default)
        scheme = urlsplit(value).scheme if "://" in value else ""
        if value and scheme not in schemes:
            said = f"begins with {scheme}://" if scheme else "is not a URL"
            raise SettingError(f"{name} {said}: use {_either([f'{each}://' for each in schemes])}.")
        return value

    def listed(self, name: str, default: Sequence[str] = ()) -> list[str]:
        """Comma-separated values."""
        return [part.strip() for part in self.text(name, ",".join(default)).split(",") if part.strip()]


def _either(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
