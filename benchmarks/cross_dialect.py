"""Row 8: whole chat completions per second for providers of other wires, against our own figure for OpenAI's wire.

The same request, connections, mock (nginx with a fixed answer for each wire) and checks as in row 1; the loads take
turns. Translated replies are checked by meaning, and every call must be booked at its price.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import measuring, payloads
from benchmarks.chat_throughput import arguments, refuse_wrong, shown
from benchmarks.stage import GATEWAY, MOCK, stage
from benchmarks.wrk import WrkResult, write_script, wrk

GOAL = 0.6
SAME = "gpt-4"
READ, WRITTEN = payloads.USAGE["prompt_tokens"], payloads.USAGE["completion_tokens"]
ANSWERS: dict[str, tuple[str, Any]] = {
    "anthropic": (
        "= /v1/messages",
        {
            "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
            "type": "message",
            "role": "assistant",
            "model": "anthropic",
            "content": [{"type": "text", "text": payloads.TEXT}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": READ, "output_tokens": WRITTEN},
        },
    ),
    "google": (
        "~ generateContent",
        {
            "candidates": [
                {"content": {"parts": [{"text": payloads.TEXT}], "role": "model"}, "finishReason": "STOP", "index": 0}
            ],
            "usageMetadata": {"promptTokenCount": READ, "candidatesTokenCount": WRITTEN, "totalTokenCount": 29},
            "modelVersion": "google",
            "responseId": "mAbcaO3ZBdSQ0e",
        },
    ),
    "ollama": (
        "= /v1/api/chat",
        {
            "model": "ollama",
            "created_at": "2026-01-01T00:00:00.000000Z",
            "message": {"role": "assistant", "content": payloads.TEXT},
            "done_reason": "stop",
            "done": True,
            "prompt_eval_count": READ,
            "eval_count": WRITTEN,
        },
    ),
}
"""By wire: nginx's location, and the answer."""


def main() -> None:
    """Raises SystemExit when a reply was wrong or the goal is missed."""
    given = arguments("python -m benchmarks.cross_dialect", __doc__, 4, 3)
    try:
        measuring.need("wrk", "nginx")
    except measuring.Missing as missing:
        print(f"row 8, cross dialect: {missing}")
        return
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        results, booked = measure(Path(folder), given.seconds, given.rounds, given.connections)
    figures = shown(results)
    same = figures[SAME]["requests_per_second"]
    ratios = {name: round(figures[name]["requests_per_second"] / same, 3) for name in ANSWERS}
    ratio = min(ratios["anthropic"], ratios["google"])
    said = ", ".join(f"{name} {one:.2f}" for name, one in ratios.items())
    print(f"row 8, cross dialect / same dialect: {said} (goal {GOAL}); {booked:,} booked")
    refuse_wrong(results, booked, tuple(figures))
    measuring.keep(8, "cross-dialect", {"contenders": figures, "ratios": ratios, "ratio": ratio, "goal": GOAL})
    if ratio < GOAL:
        raise SystemExit(f"The ratio {ratio:.2f} is below {GOAL}.")


def measure(folder: Path, seconds: int, rounds: int, connections: int) -> tuple[dict[str, list[WrkResult]], int]:
    """All rounds, and how many calls the control plane booked."""
    with stage(folder, mock=every_wire()) as running:
        url = f"http://127.0.0.1:{GATEWAY}/v1/chat/completions"
        turns = {}
        for name in (SAME, *ANSWERS):
            script = write_script(folder / f"{name}.lua", {**payloads.REQUEST, "model": name})
            turns[name] = lambda script=script: wrk(url, script, connections=connections, seconds=seconds)
        _check()
        results = measuring.alternate(turns, rounds)
        _check()
        return results, running.booked()


def every_wire() -> str:
    """nginx as a provider that gives one whole answer, in the wire of the path asked for."""
    others = "".join(
        f"location {place} {{ default_type application/json; return 200 '{json.dumps(answer)}'; }} "
        for place, answer in ANSWERS.values()
    )
    return (
        f"server {{ listen 127.0.0.1:{MOCK} backlog=4096; {others}"
        f"location / {{ default_type application/json; return 200 '{payloads.BODY.decode()}'; }} }}"
    )


def _check() -> None:
    payloads.check_reply(payloads.ask(GATEWAY, payloads.REQUEST))
    for name in ANSWERS:
        payloads.check_reply(payloads.ask(GATEWAY, {**payloads.REQUEST, "model": name}), exact=False)


if __name__ == "__main__":
    main()
