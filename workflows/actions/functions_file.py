"""The allow-list of functions: the YAML file that FUNCTIONS_FILE names. Without one, no function runs.

The file is read again when it changed; a faulty one lets no function run and says where the fault is.
"""

import threading
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings

from workflows.core.errors import BadDefinition
from workflows.core.functions import Function, read_functions

MOST_BYTES = 1_000_000

_lock = threading.Lock()
_read: tuple[tuple[Any, ...], dict[str, Function]] | None = None


def allowed_functions() -> dict[str, Function]:
    """The functions by name; empty if FUNCTIONS_FILE is not set. Raises BadDefinition."""
    global _read
    if not settings.FUNCTIONS_FILE:
        return {}
    path = Path(settings.FUNCTIONS_FILE).expanduser()
    with _lock:
        try:
            about = path.stat()
            seen = (path, about.st_mtime_ns, about.st_size, about.st_ino)
            if _read is None or _read[0] != seen:
                _read = seen, read_functions(_parsed(path, about.st_size))
        except OSError as error:
            raise BadDefinition("", f"FUNCTIONS_FILE ({path.name}) cannot be read: {error.strerror}") from None
        return _read[1]


def _parsed(path: Path, size: int) -> Any:
    if size > MOST_BYTES:
        raise BadDefinition("", f"FUNCTIONS_FILE ({path.name}) is longer than {MOST_BYTES} bytes")
    try:
        return yaml.safe_load(path.read_bytes())
    except (yaml.YAMLError, UnicodeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise BadDefinition("", f"FUNCTIONS_FILE ({path.name}) is not YAML{where}") from None
