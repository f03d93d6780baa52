"""A request in, a reply out: the whole sandbox as one function without I/O.

`reply` never raises: what it cannot serve becomes an error in the words of the wire it was asked by. It does for every
operation alike what the directives say: statuses, breaks, broken events. Next files: `playing.py`, in which order a
reply is sent; `wire.py`, what a wire adds.
"""

from collections.abc import Mapping

from llm.sandbox import faults, routes
from llm.sandbox.errors import Refusal
from llm.sandbox.faults import Behaviour
from llm.sandbox.playing import Reply
from llm.sandbox.wire import Asked, Operation, Recall, Said, Wire, recall_nothing

PROVIDER = "sandbox"
HTML_PAGE = b"<html><head><title>%d</title></head><body><h1>The sandbox was told to fail</h1></body></html>\n"


def reply(
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    standing: str = "",
    recall: Recall = recall_nothing,
) -> Reply:
    """Answer one request. `path` may have a query, header names are lower case, `standing` directives hold for all."""
    path, _, query = path.partition("?")
    asked = Asked(method, path, query, dict(headers), body, recall)
    try:
        operation = routes.find(asked)
        if operation is None:
            told = faults.read_directives(standing, headers.get(faults.HEADER, ""))
            return _told(told, routes.wire_of(asked)) or _whole([routes.listing_of(asked)(asked, PROVIDER)], told)
        if method != operation.method:
            raise Refusal(405, f"{path} takes {operation.method}, not {method}.")
        return _answer(operation, asked, standing)
    except Refusal as refusal:
        return Reply(refusal.status, (routes.wire_of(asked).error(refusal),))


def _answer(operation: Operation, asked: Asked, standing: str) -> Reply:
    request = operation.read(asked)
    _, directives = faults.split_model(request.model)
    told = faults.read_directives(standing, directives, asked.headers.get(faults.HEADER, ""))
    failed = _told(told, operation.wire)
    if failed is not None:
        return failed
    # The model as the reply says it: nobody shall take it for the one it stands in for.
    name = request.model if request.model.startswith(PROVIDER) else f"{PROVIDER}/{request.model}"
    said = operation.say(request, asked, name, told)
    made = _streamed(said, told, operation.wire) if said.streamed else _whole(said.parts, told)
    made.remember, made.cacheable = said.remember, not said.recalled
    return made


def _told(told: Behaviour, wire: Wire) -> Reply | None:
    """The error a directive asks for."""
    if told.status is None:
        return None
    if told.html:
        return Reply(told.status, (HTML_PAGE % told.status,), content_type="text/html", behaviour=told)
    refusal = Refusal(told.status, "The sandbox was told to fail.", code="sandbox_fault", retry_after=told.retry_after)
    return Reply(told.status, (wire.error(refusal),), behaviour=told)


def _whole(parts: list[bytes], told: Behaviour) -> Reply:
    if told.malformed is not None:
        parts = [part[: len(part) // 2] for part in parts]
    return Reply(200, tuple(parts), behaviour=told)


def _streamed(said: Said, told: Behaviour, wire: Wire) -> Reply:
    events = said.parts
    if told.malformed is not None and told.malformed < len(events):
        events[told.malformed] = wire.malformed_event
    if told.error is not None:
        place = min(told.error, len(events))
        events[place:] = [wire.error_event(place)]
    return Reply(200, tuple(events), streamed=True, content_type=wire.stream_type, behaviour=told)
