"""What one recorded exchange of a client of another wire than OpenAI's chat amounts to: read by `test_doors.py`.

The gateway's own bridges are asked, so refusals and dropped names are the client's. Ids, times and names that the
gateway makes up are fixed here. A case may answer with what a provider's own case has recorded (`target.json`:
`answers`).
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from llm.core import error_shapes, errors, sse
from llm.core.deployment import Deployment
from llm.core.dialects import anthropic, google, ollama
from llm.core.dialects.bridge import Bridge
from llm.core.dialects.openai_chat import translator as openai_chat
from llm.core.dialects.openai_responses import translator as openai_responses
from llm.core.dialects.registry import CLIENTS
from llm.core.errors import InvalidRequest, LlmError
from llm.core.operations import Attempt, Operation, contents, responses
from llm.core.snapshot import Model, Provider
from tests.wire.exchanges import SECRET, shown

HERE = Path(__file__).parent
PROVIDERS: dict[str, ModuleType] = {
    "anthropic": anthropic,
    "google": google,
    "ollama": ollama,
    "openai_chat": openai_chat,
    "openai_responses": openai_responses,
}
DROPPED = b": x-circuit-breaker-dropped: "


@dataclass(frozen=True)
class Door:
    """`plain` is the request where a case only holds an answer; `shown` is how the client sees an error."""

    name: str
    operation: Operation
    plain: dict[str, Any]
    shown: Callable[[LlmError], Any]

    @property
    def cases(self) -> list[Path]:
        return sorted(folder for folder in (HERE / self.name).iterdir() if folder.is_dir())


def in_googles_shape(error: LlmError) -> Any:
    return json.loads(error_shapes.google_body(error))


DOORS = {
    "openai_responses": Door("openai_responses", responses, {"model": "m", "input": "Hi"}, shown),
    "google_contents": Door(
        "google_contents", contents, {"model": "m", "contents": [{"parts": [{"text": "Hi"}]}]}, in_googles_shape
    ),
}


def read(file: Path) -> Any:
    return json.loads(file.read_text())


def target_of(case: Path) -> dict[str, Any]:
    found: dict[str, Any] = read(case / "target.json") if (case / "target.json").exists() else {}
    return found


def answer_of(case: Path, name: str) -> Path:
    """Where the provider's answer is recorded."""
    other = target_of(case).get("answers")
    return (case if other is None else HERE / other) / name


def crossing(case: Path, streamed: bool = False, asked: bool = False) -> tuple[Bridge, Attempt]:
    """The bridge of a case, and the attempt it carries: the case's own request where it is `asked`."""
    door, target = DOORS[case.parent.name], target_of(case)
    request = read(case / "request.json") if asked else {**door.plain, **({"stream": True} if streamed else {})}
    body = json.dumps(request, ensure_ascii=False).encode()
    limit = target.get("max_output_tokens")
    model = Model("m", "provider", target.get("model", request["model"]), max_output_tokens=limit)
    provider = Provider("provider", "p", "p", "http://provider.test")
    wire = PROVIDERS[target.get("dialect", "openai_chat")]
    bridge = Bridge(wire, CLIENTS[door.operation.name])  # type: ignore[arg-type]
    deployment = Deployment(model, provider)
    return bridge, Attempt(door.operation, door.operation.read(body), body, deployment, SECRET, "1", 1700000000)


def sent(case: Path) -> dict[str, Any]:
    """The request as the provider gets it, or the refusal the client gets."""
    try:
        bridge, attempt = crossing(case, asked=True)
        outgoing = bridge.encode(attempt)
    except InvalidRequest as error:
        return {"refused": DOORS[case.parent.name].shown(error)}
    found = {"path": outgoing.path, "body": json.loads(outgoing.body)}
    return {**found, "dropped": list(outgoing.dropped)} if outgoing.dropped else found


def whole(case: Path) -> dict[str, Any]:
    bridge, attempt = crossing(case)
    body, _, dropped = bridge.decode(attempt, answer_of(case, "back.json").read_bytes())
    reply: dict[str, Any] = json.loads(body)
    return {**reply, "dropped": list(dropped)} if dropped else reply


def streamed(case: Path, pieces: list[bytes]) -> tuple[bytes, list[Any]]:
    """The bytes of the events, and these with what ended them, as a list."""
    bridge, attempt = crossing(case, streamed=True)
    stream = bridge.stream(attempt)
    out = b"".join([stream.feed(piece) for piece in pieces]) + stream.finish()
    if stream.error is not None:
        out += stream.failure(stream.error)
    elif stream.done:
        out += stream.ending
    events: list[Any] = [json.loads(data) for data in sse.data_in(out)]
    for line in out.splitlines():
        if line.startswith(DROPPED):
            events.append({"dropped": line.removeprefix(DROPPED).decode().split(", ")})
    return out, events


def refusal(case: Path, status: int, body: Any) -> Any:
    """A provider's error as the client sees it."""
    bridge, attempt = crossing(case)
    error = bridge.decode_error(attempt, status, json.dumps(body).encode())
    assert SECRET not in errors.body(error).decode()
    return DOORS[case.parent.name].shown(error)
