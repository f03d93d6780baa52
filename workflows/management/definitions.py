"""How commands get at a definition: from a JSON or PNML file, from standard input, or as a stored workflow.

Everything that can be wrong with it ends the command with one line and exit code 2.
"""

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from workflows import selectors
from workflows.core.errors import BadDefinition, WorkflowNotFound
from workflows.core.net import Net
from workflows.core.notation import Compiled, compile_definition
from workflows.core.pnml import BadPnml, definition_from_pnml, read_pnml

MAXIMUM_BYTES = 4_000_000


def read_definition(file: str) -> Compiled:
    """The compiled definition in a file, JSON or PNML, or in standard input for `-`. Raises CommandError."""
    raw = _read_bytes(file)
    if raw.lstrip()[:1] == b"<":
        return compile_definition(_from_pnml(raw, file, None))
    try:
        return compile_definition(json.loads(raw))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CommandError(f"{file} is not JSON: {error}.", returncode=2) from None
    except BadDefinition as error:
        raise CommandError(f"{file}: {error}", returncode=2) from None


def read_pnml_definition(file: str, initial_place: str | None) -> dict[str, Any]:
    """The definition a PNML file stands for. Raises CommandError."""
    return _from_pnml(_read_bytes(file), file, initial_place)


def read_compiled(name: str) -> Compiled:
    """The compiled definition of a file, or of a stored workflow's current version. Raises CommandError."""
    if is_file(name):
        return read_definition(name)
    try:
        version = selectors.existing_workflow(name).current
    except WorkflowNotFound as error:
        raise CommandError(f"{error} A file's name ends in .json or .pnml.", returncode=2) from None
    assert version is not None
    return Compiled(version.definition, selectors.net_of(version))


def read_net(name: str) -> Net:
    """The net of a file, or of a stored workflow's current version. Raises CommandError."""
    return read_compiled(name).net


def is_file(name: str) -> bool:
    """Whether a command's argument means a file rather than a stored workflow's id."""
    return name == "-" or "/" in name or Path(name).suffix in (".json", ".pnml", ".xml") or Path(name).is_file()


def _from_pnml(raw: bytes, file: str, initial_place: str | None) -> dict[str, Any]:
    try:
        return definition_from_pnml(read_pnml(raw), initial_place)
    except BadPnml as error:
        raise CommandError(f"{file}: {error}", returncode=2) from None


def _read_bytes(file: str) -> bytes:
    try:
        raw = sys.stdin.buffer.read(MAXIMUM_BYTES + 1) if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise CommandError(f"Cannot read {file}: {error.strerror}.", returncode=2) from None
    if len(raw) > MAXIMUM_BYTES:
        raise CommandError(f"{file} is larger than {MAXIMUM_BYTES:,} bytes.", returncode=2)
    return raw
