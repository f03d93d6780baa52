"""Functions: what the operator's allow-list lets workflows run. Values, and reading them from a parsed file.

A function is a program (`command`), a container (`image`) or an HTTP call (`url`), with JSON in and JSON out, limits
and schemas. Reading refuses what is not known, with the path of the fault; it opens no file and resolves no secret.
Secrets are references (`env:NAME`, `file:/path`), so nothing read here is secret. Next: `actions/functions.py`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from workflows.core.errors import BadDefinition
from workflows.core.json_schema import check_schema

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
TRY_AGAIN_EXIT = 75
"""EX_TEMPFAIL of BSD's sysexits.h: the program asks to be run again later."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one run. Memory and files count for each process, the others for the whole run."""

    seconds: float = 60.0
    memory_mb: int = 1024
    cpu_seconds: int = 60
    processes: int = 32
    """Processes and threads, the program's own among them."""
    open_files: int = 256
    file_mb: int = 256
    output_bytes: int = 1_000_000


@dataclass(frozen=True, slots=True)
class SecretReference:
    """Where a secret is: `source` is `env` or `file`, `where` the variable's name or the absolute path."""

    source: str
    where: str

    def __str__(self) -> str:
        return f"{self.source}:{self.where}"


@dataclass(frozen=True, slots=True)
class Command:
    """A program started directly, never by a shell; `argv[0]` is an absolute path."""

    argv: tuple[str, ...]
    user: str = ""
    """The account to run as, where the worker is root; empty: `nobody`."""


@dataclass(frozen=True, slots=True)
class Container:
    """An image run once by docker or podman, without network unless one is named, on a read-only file system."""

    image: str
    argv: tuple[str, ...] = ()
    network: str = "none"


@dataclass(frozen=True, slots=True)
class HttpCall:
    """A request whose body is the input; `{name}` in the URL's path or query is filled from the input."""

    url: str
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    """`${NAME}` in a value is replaced by that secret."""
    private_address: bool = False
    """Whether the host may have an address that is not public."""


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    work: Command | Container | HttpCall
    description: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, SecretReference] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    input_schema: Mapping[str, Any] | None = None
    output_schema: Mapping[str, Any] | None = None
    take: tuple[str, ...] | None = None
    """The members of the token's data that are handed in; None: all."""
    result: str | None = None
    """The member of the token's data that gets the output; None: the output is an object and is merged."""
    fire: str | None = None
    """The transition to fire with the token afterwards."""

    @property
    def kind(self) -> str:
        return {Command: "command", Container: "image", HttpCall: "url"}[type(self.work)]


_KINDS = {
    "command": {"command", "user", "environment"},
    "image": {"image", "arguments", "network", "environment"},
    "url": {"url", "method", "headers", "private_address"},
}
_OF_ALL = {"description", "secrets", "limits", "input_schema", "output_schema", "take", "result", "fire"}
_BOUNDS = {
    "seconds": (0.1, 86_400),
    "memory_mb": (16, 1_000_000),
    "cpu_seconds": (1, 86_400),
    "processes": (1, 10_000),
    "open_files": (8, 100_000),
    "file_mb": (0, 1_000_000),
    "output_bytes": (1, 1_000_000),
}


def read_functions(document: Any) -> dict[str, Function]:
    """The functions of an allow-list `{"functions": {name: {...}}}`, by name. Raises BadDefinition with the path."""
    if document is None:
        return {}
    written = _object(document, "")
    _only(written, {"functions"}, "")
    found = {}
    for name, each in _section(written, "functions", "functions").items():
        path = f"functions.{name}"
        if not NAME.fullmatch(str(name)):
            raise BadDefinition(path[:200], "a name has up to 100 letters, digits, `_`, `-` and `.`")
        found[str(name)] = _function(str(name), _object(each, path), path)
    return found


def _function(name: str, written: Mapping[str, Any], path: str) -> Function:
    kinds = [kind for kind in _KINDS if kind in written]
    if len(kinds) != 1:
        raise BadDefinition(path, "needs exactly one of `command`, `image` and `url`")
    _only(written, _KINDS[kinds[0]] | _OF_ALL, path)
    secrets = {
        _variable(key, f"{path}.secrets"): _reference(value, f"{path}.secrets.{key}")
        for key, value in _section(written, "secrets", f"{path}.secrets").items()
    }
    environment = _texts(written.get("environment", {}), f"{path}.environment")
    for key in environment:
        _variable(key, f"{path}.environment")
    take = written.get("take")
    return Function(
        name=name,
        work=_WORK[kinds[0]](written, path, secrets),
        description=_text(written.get("description", ""), f"{path}.description", empty=True),
        environment=environment,
        secrets=secrets,
        limits=_limits(_section(written, "limits", f"{path}.limits"), f"{path}.limits"),
        input_schema=_schema(written, "input_schema", path),
        output_schema=_schema(written, "output_schema", path),
        take=None if take is None else _list(take, f"{path}.take"),
        result=_optional(written, "result", path),
        fire=_optional(written, "fire", path),
    )


def _command(written: Mapping[str, Any], path: str, _: Mapping[str, SecretReference]) -> Command:
    argv = _list(written["command"], f"{path}.command")
    if not argv or not argv[0].startswith("/"):
        raise BadDefinition(f"{path}.command", "is a list that begins with the program's absolute path")
    return Command(argv, _optional(written, "user", path) or "")


def _container(written: Mapping[str, Any], path: str, _: Mapping[str, SecretReference]) -> Container:
    image = _text(written["image"], f"{path}.image")
    if image.startswith("-"):
        raise BadDefinition(f"{path}.image", "may not begin with `-`")
    network = _text(written.get("network", "none"), f"{path}.network")
    return Container(image, _list(written.get("arguments", []), f"{path}.arguments"), network)


def _call(written: Mapping[str, Any], path: str, secrets: Mapping[str, SecretReference]) -> HttpCall:
    url = _text(written["url"], f"{path}.url")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and not parts.username
        usable = usable and "{" not in parts.netloc and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise BadDefinition(f"{path}.url", "must be http(s)://host/…, without a password and with the host written out")
    method = _text(written.get("method", "POST"), f"{path}.method").upper()
    if method not in METHODS:
        raise BadDefinition(f"{path}.method", f"must be one of {', '.join(METHODS)}")
    headers = _texts(written.get("headers", {}), f"{path}.headers")
    for key, value in headers.items():
        if not HEADER.fullmatch(key) or not value.isprintable() or not value.isascii():
            raise BadDefinition(f"{path}.headers.{key}"[:200], "is not a header with printable ASCII text")
        for name in re.findall(r"\$\{([^}]*)\}", value):
            if name not in secrets:
                raise BadDefinition(f"{path}.headers.{key}", f"names {name!r}, which is not among `secrets`")
    private = written.get("private_address", False)
    if not isinstance(private, bool):
        raise BadDefinition(f"{path}.private_address", "must be true or false")
    return HttpCall(url, method, headers, private)


_WORK: dict[str, Callable[..., Command | Container | HttpCall]] = {
    "command": _command,
    "image": _container,
    "url": _call,
}


def _limits(written: Mapping[str, Any], path: str) -> Limits:
    _only(written, set(_BOUNDS), path)
    for key, value in written.items():
        least, most = _BOUNDS[key]
        wanted = int | float if key == "seconds" else int
        if isinstance(value, bool) or not isinstance(value, wanted) or not least <= value <= most:
            raise BadDefinition(f"{path}.{key}", f"must be a number from {least} to {most}")
    return Limits(**written)


def _reference(value: Any, path: str) -> SecretReference:
    source, _, where = _text(value, path).partition(":")
    if source == "env" and VARIABLE.fullmatch(where):
        return SecretReference(source, where)
    if source == "file" and where.startswith("/"):
        return SecretReference(source, where)
    raise BadDefinition(path, "must be env:NAME or file:/absolute/path; the secret itself does not stand here")


def _schema(written: Mapping[str, Any], key: str, path: str) -> dict[str, Any] | None:
    return check_schema(written[key], f"{path}.{key}") if written.get(key) is not None else None


def _variable(key: Any, path: str) -> str:
    if not isinstance(key, str) or not VARIABLE.fullmatch(key) or key.startswith("CIRCUIT_BREAKER_"):
        raise BadDefinition(f"{path}.{key}"[:200], "is no name for a variable, or is one of ours (CIRCUIT_BREAKER_…)")
    return key


def _optional(written: Mapping[str, Any], key: str, path: str) -> str | None:
    return None if written.get(key) is None else _text(written[key], f"{path}.{key}")


def _text(value: Any, path: str, *, empty: bool = False) -> str:
    if not isinstance(value, str) or "\x00" in value or not (value.strip() or empty):
        raise BadDefinition(path, "must be a text")
    return value


def _texts(value: Any, path: str) -> dict[str, str]:
    return {str(key): _text(each, f"{path}.{key}", empty=True) for key, each in _object(value, path).items()}


def _list(value: Any, path: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise BadDefinition(path, "must be a list of texts")
    return tuple(_text(each, f"{path}[{index}]", empty=True) for index, each in enumerate(value))


def _object(value: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BadDefinition(path, "must be a section with keys of its own")
    return value


def _section(written: Mapping[str, Any], key: str, path: str) -> Mapping[str, Any]:
    """A section that may be left out or empty."""
    return {} if written.get(key) is None else _object(written[key], path)


def _only(written: Mapping[str, Any], known: set[str], path: str) -> None:
    for key in written:
        if key not in known:
            place = f"{path}.{key}" if path else str(key)
            raise BadDefinition(place[:200], f"is not known: use {', '.join(sorted(known))}")
