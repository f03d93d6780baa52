"""A request in, a reply out: the whole sandbox as one function without I/O, and the order in which a reply is sent.

`reply` never raises: what it cannot serve becomes an error in OpenAI's shape. A reply is a head and `steps()`: bytes to
send, pauses, and the point where the connection is cut or left hanging. `server.py` carries them out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from llm.sandbox import chat, faults
from llm.sandbox.embeddings import embeddings_reply
from llm.sandbox.errors import Refusal, error_body
from llm.sandbox.faults import HEALTHY, Behaviour
from llm.sandbox.requests import ChatRequest, CompletionRequest, EmbeddingRequest, read

PROVIDER = "sandbox"
ERROR_EVENT = b'data: {"error":{"message":"The sandbox was told to fail here.","type":"server_error","code":null}}\n\n'
MALFORMED_EVENT = b'data: {"id":"chatcmpl-sandbox","choices":[{"delta":{"content":\n\n'
HTML_PAGE = b"<html><head><title>%d</title></head><body><h1>The sandbox was told to fail</h1></body></html>\n"


@dataclass(frozen=True)
class Wait:
    """Send nothing for this long."""

    seconds: float


@dataclass(frozen=True)
class Hang:
    """Send nothing any more and keep the connection open until the client leaves."""


@dataclass(frozen=True)
class Cut:
    """Close the connection at once."""


Step = bytes | Wait | Hang | Cut


@dataclass(frozen=True)
class Reply:
    """What to answer. `parts` are the events of a stream, or one whole body."""

    status: int
    parts: tuple[bytes, ...]
    streamed: bool = False
    content_type: str = "application/json"
    behaviour: Behaviour = HEALTHY

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """All but framing (Content-Length or chunked), which belongs to the server."""
        found = [("content-type", self.content_type), ("x-sandbox", "not a language model")]
        if self.status >= 400 and self.behaviour.retry_after is not None:
            found.append(("retry-after", f"{self.behaviour.retry_after:g}"))
        return tuple(found)

    @property
    def length(self) -> int:
        """Bytes of the whole body."""
        return sum(map(len, self.parts))

    @property
    def plain(self) -> bool:
        """Nothing to wait for and nothing to break: it can be sent in one go."""
        told = self.behaviour
        return told is HEALTHY or not (
            told.delay or told.rate or told.split or told.drip or told.cut is not None or told.hang is not None
        )

    def before(self) -> Iterator[Step]:
        """What happens before the first byte of the head."""
        if self.behaviour.delay:
            yield Wait(self.behaviour.delay)
        if self.behaviour.cut == "before":
            yield Cut()
        if self.behaviour.hang == "before":
            yield Hang()

    def steps(self) -> Iterator[Step]:
        """What happens after the head. A made-up one at a time: a huge reply in single bytes costs no memory."""
        told = self.behaviour
        places = [(place, end) for place, end in ((told.cut, Cut()), (told.hang, Hang())) if isinstance(place, int)]
        stop, end = min(places, key=lambda pair: pair[0]) if places else (None, None)
        parts = self.parts if self.streamed else tuple(part[:stop] for part in self.parts)
        for index, part in enumerate(parts):
            if self.streamed and index == stop:
                break
            if told.rate and self.streamed and index:
                yield Wait(1 / told.rate)
            yield from self._in_parts(part)
        if end is not None:
            yield end

    def _in_parts(self, part: bytes) -> Iterator[Step]:
        size = self.behaviour.split or (1 if self.behaviour.drip else len(part) or 1)
        for start in range(0, len(part), size):
            if self.behaviour.drip:
                yield Wait(self.behaviour.drip)
            yield part[start : start + size]


def reply(method: str, path: str, headers: Mapping[str, str], body: bytes, standing: str = "") -> Reply:
    """Answer one request. Header names are lower case; `standing` are directives that hold for every request."""
    header = headers.get(faults.HEADER, "")
    path = path.partition("?")[0]
    try:
        if path in _READERS:
            if method != "POST":
                raise Refusal(405, f"{path} takes POST, not {method}.")
            return _READERS[path](body, standing, header)
        return _broken(_listing(path, method), faults.read_directives(standing, header))
    except Refusal as refusal:
        said = error_body(refusal.status, refusal.message, param=refusal.param, code=refusal.code)
        return Reply(refusal.status, (said,))


def _chat(body: bytes, standing: str, header: str) -> Reply:
    request = read(body, ChatRequest)
    name, told = _model(request.model, standing, header)
    if told.status is not None:
        return _broken(Reply(200, ()), told)
    spoken = chat.speak(request, name, body, told)
    logprobs = bool(request.logprobs)
    if request.stream:
        return _streamed(chat.chat_events(spoken, request.wants_usage, logprobs), told)
    return _broken(Reply(200, (chat.chat_reply(spoken, logprobs),)), told)


def _completion(body: bytes, standing: str, header: str) -> Reply:
    request = read(body, CompletionRequest)
    name, told = _model(request.model, standing, header)
    if told.status is not None:
        return _broken(Reply(200, ()), told)
    spoken = chat.speak_completion(request, name, body, told)
    if request.stream:
        wanted = bool(request.stream_options and request.stream_options.include_usage)
        return _streamed(chat.completion_events(spoken, wanted), told)
    return _broken(Reply(200, (chat.completion_reply(spoken),)), told)


def _embeddings(body: bytes, standing: str, header: str) -> Reply:
    request = read(body, EmbeddingRequest)
    name, told = _model(request.model, standing, header)
    return _broken(Reply(200, (embeddings_reply(request, name),)), told)


_READERS = {"/v1/chat/completions": _chat, "/v1/completions": _completion, "/v1/embeddings": _embeddings}


def _model(asked: str, standing: str, header: str) -> tuple[str, Behaviour]:
    """The model as the reply says it, so that nobody takes it for the one it stands in for; and the directives."""
    _, directives = faults.split_model(asked)
    name = asked if asked.startswith(PROVIDER) else f"{PROVIDER}/{asked}"
    return name, faults.read_directives(standing, directives, header)


def _listing(path: str, method: str) -> Reply:
    if method not in ("GET", "HEAD"):
        raise Refusal(404, f"The sandbox serves no {method} {path}.", code="unknown_url")
    if path == "/health":
        return Reply(200, (b'{"status":"ok","service":"circuit-breaker-sandbox"}',))
    if path == "/v1/models":
        return _json({"object": "list", "data": [_card(PROVIDER)]})
    name = path.removeprefix("/v1/models/")
    if name == path:
        raise Refusal(404, f"The sandbox serves no {method} {path}.", code="unknown_url")
    if not name.startswith(PROVIDER):
        raise Refusal(404, f"The model `{name}` does not exist.", param="model", code="model_not_found")
    return _json(_card(name))


def _card(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": chat.CREATED, "owned_by": "circuit-breaker-sandbox"}


def _json(value: Any) -> Reply:
    return Reply(200, (msgspec.json.encode(value),))


def _broken(whole: Reply, told: Behaviour) -> Reply:
    """A whole reply with the directives applied."""
    if told.status is not None:
        if told.html:
            return Reply(told.status, (HTML_PAGE % told.status,), content_type="text/html", behaviour=told)
        said = error_body(told.status, "The sandbox was told to fail.", code="sandbox_fault")
        return Reply(told.status, (said,), behaviour=told)
    parts = whole.parts
    if told.malformed is not None:
        parts = tuple(part[: len(part) // 2] for part in parts)
    return Reply(whole.status, parts, behaviour=told)


def _streamed(events: list[bytes], told: Behaviour) -> Reply:
    if told.malformed is not None and told.malformed < len(events):
        events[told.malformed] = MALFORMED_EVENT
    if told.error is not None:
        events[told.error :] = [ERROR_EVENT]
    return Reply(200, tuple(events), streamed=True, content_type="text/event-stream", behaviour=told)
