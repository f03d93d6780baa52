"""How commands get at a definition: from a file, from standard input, or as a stored workflow.

Everything that can be wrong with it ends the command with one line and exit code 2.
"""

import json
import sys
from pathlib import Path

from django.core.management.base import CommandError

from workflows import selectors
from workflows.core.errors import BadDefinition, WorkflowNotFound
from workflows.core.net import Net
from workflows.core.notation import Compiled, compile_definition

MAXIMUM_BYTES = 4_000_000


def read_definition(file: str) -> Compiled:
    """The compiled definition in a JSON file, or in standard input for `-`. Raises CommandError."""
    raw = read_bytes(file)
    try:
        return compile_definition(json.loads(raw))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CommandError(f"{file} is not JSON: {error}.", returncode=2) from None
    except BadDefinition as error:
        raise CommandError(f"{file}: {error}", returncode=2) from None


def read_net(name: str) -> Net:
    """The net of a definition's file, or of a stored workflow's current version. Raises CommandError."""
    if is_file(name):
        return read_definition(name).net
    try:
        found = selectors.existing_workflow(name)
    except WorkflowNotFound as error:
        raise CommandError(f"{error} A file's name ends in .json.", returncode=2) from None
    assert found.current is not None
    return selectors.net_of(found.current)


def read_bytes(file: str) -> bytes:
    """What is in the file or in standard input, within the limit of size."""
    try:
        raw = sys.stdin.buffer.read(MAXIMUM_BYTES + 1) if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise CommandError(f"Cannot read {file}: {error.strerror}.", returncode=2) from None
    if len(raw) > MAXIMUM_BYTES:
        raise CommandError(f"{file} is larger than {MAXIMUM_BYTES:,} bytes.", returncode=2)
    return raw


def is_file(name: str) -> bool:
    """Whether a command's argument means a file rather than a stored workflow's id."""
    return name == "-" or "/" in name or Path(name).suffix in (".json", ".pnml", ".xml") or Path(name).is_file()
