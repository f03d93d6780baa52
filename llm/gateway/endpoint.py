"""Which request goes where: the one handler behind every door. Routes, methods, CORS, and the small answers themselves.

A path we do not have is OpenAI's 404, a wrong method a 405 with `Allow`. HEAD is answered as GET (the door leaves the
body out). Operations (`llm/core/operations`) go to `pipeline.py`; everything else is answered at once.
"""

from collections.abc import Callable
from urllib.parse import unquote, urlsplit

import msgspec

from llm.core.errors import (
    InvalidRequest,
    LlmError,
    MethodNotAllowed,
    ModelNotFound,
    NotFound,
    Unavailable,
    UnsupportedMedia,
)
from llm.core.operations import OPERATIONS, Operation, contents
from llm.gateway import pipeline, resume
from llm.gateway.call import JSON, refuse
from llm.gateway.exchange import Exchange, Headers
from llm.gateway.gateway import Gateway
from llm.gateway.ids import new_id, request_id
from llm.gateway.siblings import Siblings
from llm.gateway.steps import conduct

UNUSUAL = frozenset({b"origin", b"content-encoding"})
"""Headers that need a look before a call begins."""
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
EXPOSED = (
    b"x-request-id, retry-after, x-circuit-breaker-provider, x-circuit-breaker-model, x-circuit-breaker-cost, "
    b"x-circuit-breaker-attempts, x-circuit-breaker-overhead-ms, x-ratelimit-limit-requests, "
    b"x-ratelimit-remaining-requests, x-ratelimit-reset-requests, x-ratelimit-limit-tokens, "
    b"x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens, x-circuit-breaker-dropped, "
    b"x-circuit-breaker-estimated"
)
PROMETHEUS = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")


class Endpoint:
    """A `Handler` (exchange.py)."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.siblings: Siblings | None = None
        """The other workers at this port, who may hold a stream that is asked for here."""
        self._gets: dict[bytes, Callable[[Exchange], None]] = {
            b"/v1/models": self._models,
            b"/health": self._health,
            b"/v1/health": self._health,
            b"/ready": self._ready,
            b"/metrics": self._metrics,
            b"/": self._welcome,
        }

    def __call__(self, exchange: Exchange) -> None:
        operation = OPERATIONS.get(exchange.path)
        if operation is not None and exchange.method == "POST" and not (exchange.fields.keys() & UNUSUAL):
            conduct(pipeline.answer(exchange, self._gateway, operation))
            return
        if operation is None and contents.concerned(exchange.path):
            operation = contents
        try:
            self._route(exchange, operation)
        except LlmError as error:
            self._gateway.metrics.count_refused(error)
            request = request_id(exchange.fields.get(b"x-request-id", b"")) or new_id().encode()
            refuse(exchange, error, request, operation=operation)

    def _route(self, exchange: Exchange, operation: Operation | None) -> None:
        path = exchange.path
        origin = exchange.fields.get(b"origin")
        if origin is not None and self._preflight(exchange, origin.decode("latin-1")):
            return
        if operation is not None:
            self._operate(exchange, operation)
            return
        if path.startswith(b"/v1/") and path != b"/v1/health":
            self._authenticate(exchange)
        if path.startswith(resume.PREFIX):
            resume.resume(exchange, self._gateway, self.siblings)
            return
        if len(path) > 1:
            path = path.rstrip(b"/")
        found = self._gets.get(path)
        if found is None and path.startswith(b"/v1/models/"):
            found = self._model
        if found is None:
            raise NotFound(_absent(exchange), None, "unknown_url")
        if exchange.method == "OPTIONS":
            exchange.respond(204, [(b"allow", b"GET, HEAD, OPTIONS")])
            return
        if exchange.method not in ("GET", "HEAD"):
            raise MethodNotAllowed(f"{_shown(exchange.path)} takes GET.", "GET, HEAD, OPTIONS")
        found(exchange)

    def _authenticate(self, exchange: Exchange) -> None:
        """For what is no call: where a key is required, listing models and reading streams needs one as well."""
        gateway = self._gateway
        if exchange.method == "OPTIONS":
            return
        if gateway.admission.required and gateway.catalogue is None:
            raise Unavailable("This gateway has no configuration yet.", 2, "no_configuration")
        gateway.admission.authenticate(exchange)

    def _operate(self, exchange: Exchange, operation: Operation) -> None:
        if exchange.method == "OPTIONS":
            exchange.respond(204, [(b"allow", b"POST, OPTIONS")])
            return
        if exchange.method != "POST":
            raise MethodNotAllowed(f"{_shown(exchange.path)} takes POST.", "POST, OPTIONS")
        coding = exchange.fields.get(b"content-encoding")
        if coding is not None and coding.lower() != b"identity":
            raise UnsupportedMedia("Compressed request bodies are not accepted.")
        if operation is contents:
            exchange.body = contents.addressed(exchange.path, exchange.query, exchange.body)
        conduct(pipeline.answer(exchange, self._gateway, operation))

    def _preflight(self, exchange: Exchange, origin: str) -> bool:
        """Apply the rule about web pages; True when this was a preflight and has been answered."""
        if not self._origin_allowed(origin):
            raise _ForeignOrigin(
                f"Web pages of {origin[:200]} may not use this gateway. Add the origin to CORS_ORIGINS if they should."
            )
        exchange.extra_headers = [
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-expose-headers", EXPOSED),
            (b"vary", b"origin"),
        ]
        if exchange.method != "OPTIONS":
            return False
        wanted = exchange.fields.get(b"access-control-request-headers") or b"authorization, content-type"
        headers: Headers = [
            (b"access-control-allow-methods", b"GET, POST, DELETE, OPTIONS"),
            (b"access-control-allow-headers", wanted),
            (b"access-control-max-age", b"600"),
        ]
        exchange.respond(204, headers)
        return True

    def _origin_allowed(self, origin: str) -> bool:
        settings = self._gateway.settings
        if origin in settings.cors_origins or "*" in settings.cors_origins:
            return True
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        return settings.cors and parts.scheme in ("http", "https") and parts.hostname in LOOPBACK

    # --- small answers ------------------------------------------------------------------------------------------------
    def _models(self, exchange: Exchange) -> None:
        models = self._gateway.models
        if models is None:
            raise Unavailable("This gateway has no configuration yet.", 2, "no_configuration")
        exchange.respond(200, [JSON], models.body(self._allowed(exchange)))

    def _model(self, exchange: Exchange) -> None:
        models = self._gateway.models
        if models is None:
            raise Unavailable("This gateway has no configuration yet.", 2, "no_configuration")
        name = unquote(exchange.path.removeprefix(b"/v1/models/").decode("utf-8", "replace"))
        body = models.one(name, self._allowed(exchange))
        if body is None:
            raise ModelNotFound(name[:200])
        exchange.respond(200, [JSON], body)

    def _allowed(self, exchange: Exchange) -> tuple[str, ...]:
        """The only models the caller may use; (): all."""
        key = self._gateway.admission.authenticate(exchange)
        return () if key is None else key.models

    def _health(self, exchange: Exchange) -> None:
        exchange.respond(200, [JSON], msgspec.json.encode(self._gateway.status()))

    def _ready(self, exchange: Exchange) -> None:
        gateway = self._gateway
        ready = gateway.catalogue is not None and gateway.journal.accepting
        exchange.respond(200 if ready else 503, [JSON], msgspec.json.encode({"ready": ready}))

    def _metrics(self, exchange: Exchange) -> None:
        only_own = b"worker=own" in exchange.query.split(b"&")
        exchange.respond(200, [PROMETHEUS], self._gateway.scrape(only_own))

    def _welcome(self, exchange: Exchange) -> None:
        said = {"name": "Circuit Breaker gateway", "api": "/v1", "health": "/health", "metrics": "/metrics"}
        exchange.respond(200, [JSON], msgspec.json.encode(said))


class _ForeignOrigin(InvalidRequest):
    code = "FOREIGN_ORIGIN"
    status = 403


def _absent(exchange: Exchange) -> str:
    if exchange.path.startswith(b"/v1/responses/"):
        return (
            f"There is no {exchange.method} {_shown(exchange.path)} here: this gateway passes responses on and keeps "
            "none. Ask the provider that made it."
        )
    if b"/v1" + exchange.path in OPERATIONS:
        return f"There is no {_shown(exchange.path)} here; the base URL ends in /v1: /v1{_shown(exchange.path)}."
    return f"There is no {exchange.method} {_shown(exchange.path)} here."


def _shown(path: bytes) -> str:
    return path[:200].decode("ascii", "replace")
