"""One line of the fault table, and the requests it is played with. Next files: `fault_table.py`, `fault_wires.py`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from billing.core.pricing import Usage

INPUT, OUTPUT = 4, 18
"""What the sandbox counts for the requests of the table: `Hi`, and its sentence about it."""
SENTENCE = "This is the Circuit Breaker sandbox, not a language model. You said: Hi"
NOTHING = Usage()
REPORTED = Usage(INPUT, output=OUTPUT)

PROVIDERS = {"openai": "OpenAI", "azure": "Azure", "anthropic": "Anthropic", "google": "Gemini", "ollama": "Ollama"}
PATHS = {
    "chat": "/v1/chat/completions",
    "completions": "/v1/completions",
    "responses": "/v1/responses",
    "embeddings": "/v1/embeddings",
    "messages": "/v1/messages",
    "generateContent": "/v1beta/models/",
}
HI = [{"role": "user", "content": "Hi"}]
FIELDS: dict[str, dict[str, Any]] = {
    "chat": {"messages": HI},
    "completions": {"prompt": "Hi"},
    "responses": {"input": "Hi"},
    "embeddings": {"input": "Hi"},
    "messages": {"messages": HI, "max_tokens": 1_000_000},
    "generateContent": {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
}


LIMITS: dict[str, dict[str, Any]] = {
    "chat": {"max_tokens": 1_000_000},
    "responses": {"max_output_tokens": 1_000_000},
    "generateContent": {"generationConfig": {"maxOutputTokens": 1_000_000}},
}


@dataclass(frozen=True)
class Row:
    """One fault and what comes of it. `operation` is a key of PATHS, `wire` of PROVIDERS: how the provider is asked."""

    operation: str
    fault: str
    streamed: bool
    status: int = 200
    """HTTP status for the client."""
    code: str | None = None
    """The error's code as booked; OpenAI's shape shows it: in the body, or with status 200 in a stream's last event."""
    retry_after: str | None = None
    outcome: str = "ok"
    usage: Usage = REPORTED
    estimated: bool = False
    upstream_kept: bool = True
    """Whether the connection to the provider is used again."""
    wire: str = "openai"
    finish: str = "stop"
    """Why the answer ended, in OpenAI's words."""
    kind: str | None = None
    """The error's type, where it is shown in Anthropic's shape; its status where in Google's."""

    @property
    def in_band(self) -> bool:
        return self.status == 200 and self.code is not None

    @property
    def bridged(self) -> bool:
        """The client speaks another wire than the provider."""
        own = {"messages": ("anthropic",), "generateContent": ("google",)}.get(self.operation, ("openai", "azure"))
        return self.wire not in own

    @property
    def cells(self) -> tuple[str, ...]:
        """What the page shows, less the provider."""
        shown = self.kind or self.code
        seen = f"{self.status}"
        if shown:
            seen += f", then the event `{shown}`" if self.in_band else f" `{shown}`"
        if self.retry_after:
            seen += f", Retry-After {self.retry_after}"
        tokens = "no tokens" if self.usage == NOTHING else "estimated" if self.estimated else "as reported"
        form = "streamed" if self.streamed else "whole"
        upstream = "kept" if self.upstream_kept else "closed"
        return (f"`{self.fault}`" if self.fault else "none", form, seen, f"{self.outcome}, {tokens}", upstream)


def request_of(operation: str, wire: str, streamed: bool) -> dict[str, Any]:
    """What the client asks. Anthropic needs a limit: one that cuts nothing."""
    model = "embedder" if operation == "embeddings" else "gpt-4" if wire == "openai" else f"by-{wire}"
    limit = LIMITS.get(operation, {}) if wire == "anthropic" else {}
    if operation == "generateContent":  # model and stream stand in the address
        return {**FIELDS[operation], **limit}
    return {"model": model, **FIELDS[operation], **limit, **({"stream": True} if streamed else {})}


def asked(operation: str, wire: str, streamed: bool) -> int:
    """What we estimate of the request: four of its bytes to a token."""
    body = json.dumps(request_of(operation, wire, streamed))
    if operation == "generateContent":
        body = body[:-1] + f',"model":"{_model(wire)}"' + (',"stream":true}' if streamed else "}")
    return len(body) // 4 + 1


def path_of(operation: str, wire: str, streamed: bool) -> str:
    if operation != "generateContent":
        return PATHS[operation]
    return f"{PATHS[operation]}{_model(wire)}:" + ("streamGenerateContent?alt=sse" if streamed else "generateContent")


def _model(wire: str) -> str:
    return "gpt-4" if wire == "openai" else f"by-{wire}"


def lines(rows: Sequence[Row]) -> list[str]:
    """The table of the page. Providers of which all the same holds share a line."""
    found: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        found.setdefault((row.operation, *row.cells), []).append(PROVIDERS[row.wire])
    shown = [(operation, ", ".join(names), *cells) for (operation, *cells), names in found.items()]
    return [f"| {' | '.join(cells)} |" for cells in shown]
