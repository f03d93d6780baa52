"""The layout engine in a program of its own: `graphlay` can loop for ever on a small graph, holding Python's lock.

Seen with ten shapes of which one was bound to the first layer; nothing inside the process could end it, so a drawn
workflow would stop every thread of the control plane. `run` asks a child for one layout and kills it when its time is
up. The child imports nothing of ours: `python -I engine.py`, a request on stdin, the answer on stdout. Next:
`layout.py`.
"""

import json
import subprocess
import sys
from typing import Any

REFUSED = 3
"""The child's exit code when the engine declines a graph, with its words on stderr."""


class NoLayout(Exception):
    """The engine declined the graph or did not end in time; the message says which."""


def run(graph: dict[str, Any], options: dict[str, Any], seconds: float) -> dict[str, Any]:
    """The engine's answer: `nodes`, `edges` in the order given, and `bounds`. Raises NoLayout."""
    request = json.dumps({"graph": graph, "options": options})
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter on this file
            [sys.executable, "-I", __file__], input=request, capture_output=True, text=True, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        raise NoLayout(f"the layout did not end in time ({seconds:g} s)") from None
    if done.returncode == REFUSED:
        raise NoLayout(done.stderr.strip())
    if done.returncode:
        raise NoLayout(f"the layout broke with exit code {done.returncode}: {done.stderr.strip()[-300:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def main() -> int:
    import graphlay

    request = json.load(sys.stdin)
    try:
        found = graphlay.layout(request["graph"], options=request["options"])
    except graphlay.GraphlayError as error:
        sys.stderr.write(str(error))
        return REFUSED
    sys.stdout.write(found.to_json())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
