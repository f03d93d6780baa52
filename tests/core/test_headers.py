"""The headers of `llm/core` lead a reader on: the next file they name is there, and nobody is led in a circle."""

import ast
import re
from pathlib import Path

CORE = Path(__file__).parents[2] / "llm" / "core"
NEXT = re.compile(r"Next\s+files?:\s+`([^`]+\.py)`")


def followers() -> dict[Path, Path]:
    """The first next file of each header that names one, beside the file or below the repository."""
    found: dict[Path, Path] = {}
    for file in sorted(CORE.rglob("*.py")):
        named = NEXT.search(ast.get_docstring(ast.parse(file.read_text())) or "")
        if named is not None:
            beside = (file.parent / named.group(1)).resolve()
            found[file] = beside if beside.exists() else CORE.parents[1] / named.group(1)
    return found


def test_the_next_file_is_there() -> None:
    missing = {str(file): str(other) for file, other in followers().items() if not other.exists()}
    assert missing == {}


def test_nobody_is_led_in_a_circle() -> None:
    led = followers()
    for first in led:
        seen, at = [first], led.get(first)
        while at is not None:
            assert at not in seen, " -> ".join([str(one.relative_to(CORE)) for one in (*seen, at)])
            seen.append(at)
            at = led.get(at)
