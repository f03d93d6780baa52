"""One call while it is under way, and what it leaves behind: response headers, the error it becomes, its record.

State only, no order of events (that is `pipeline.py`). A call that reached no provider leaves no record: nothing was
metered. Tokens the provider did not report are our own estimate, marked so: four bytes to a token.
"""

import time
from typing import TYPE_CHECKING

from billing.core.keys import Limits
from billing.core.pricing import NANO, Usage, cost_nano
from billing.core.usage import CallRecord, Outcome
from llm.core.deployment import Deployment
from llm.core.errors import LlmError, MethodNotAllowed, RateLimited
from llm.core.errors import body as error_body
from llm.core.operations import Operation, Request
from llm.core.operations.estimate import BYTES_PER_TOKEN
from llm.core.options import Options
from llm.core.snapshot import ApiKey
from llm.gateway.admission import AGENTS_OWNER
from llm.gateway.exchange import Exchange, HeaderLines, lines
from llm.gateway.gateway import Gateway, Route
from llm.gateway.ids import new_id, request_id
from llm.gateway.in_flight import Entry
from llm.gateway.provider_connection import FOREVER, Reply
from llm.gateway.register import NO_SLOT

if TYPE_CHECKING:
    from llm.gateway.limiter import Admitted
    from llm.gateway.streams import Relay

JSON = (b"content-type", b"application/json")
HEADERS = (
    b"content-type: %b\r\nx-request-id: %b\r\n%b"
    b"x-circuit-breaker-attempts: %d\r\nx-circuit-breaker-overhead-ms: %.3f\r\n"
)
HEADERS_AND_COST = HEADERS + b"x-circuit-breaker-cost: %d.%09d\r\n"
CLIENT_GONE = 499
MAX_LABEL = 256


class Call:
    """See the header."""

    request: Request | None = None
    deployment: Deployment | None = None
    """Whom we asked last."""
    route: Route | None = None
    reply: Reply | None = None
    dropped = b""
    """The header that names what of the request the provider's wire has no place for."""
    images: dict[str, tuple[str, str]] | None = None
    """Fetched for this call, for all its attempts."""
    attempts = 0
    asked_ns = 0
    """When the attempt under way began, by the performance counter."""
    spent: tuple[Usage, bool] | None = None
    """What an attempt of several requests had used when it failed, and whether some of that is our estimate."""
    failed: "CallRecord | None" = None
    """Of the attempt that has failed while none has followed yet (`attempts.py`)."""
    cost_nano = 0
    """Of all attempts, as recorded."""
    provider_ns = 0
    """Time spent waiting for providers."""
    first_byte_at: int | None = None
    _labels: tuple[str | None, str | None, str | None] | None = None
    stream: "Relay | None" = None
    key: ApiKey | None = None
    admitted: "Admitted | None" = None
    """What it was let in with, when its caller has limits."""
    tokens = 0
    """Used so far, as recorded."""
    limit_lines: HeaderLines = b""
    owner: str | None = None
    """The API key the call was made with: who may read its stream again."""

    def __init__(self, exchange: Exchange, gateway: Gateway, operation: Operation) -> None:
        self.slot = NO_SLOT
        """In the register of calls at a provider."""
        self.operation = operation
        self.exchange = exchange
        self.gateway = gateway
        self.started_at = time.time_ns()
        self.id = new_id()
        given = exchange.fields.get(b"x-request-id")
        self.request_id = (given and request_id(given)) or self.id.encode()

    def hang_up(self) -> None:
        """The client has gone: so may the provider, unless it bills the whole answer anyway."""
        if self.reply is None:
            return
        if self.drained:
            if self.reply.deadline == FOREVER:  # a slow client had paused it: from now on the provider is waited for
                self.reply.deadline = self.gateway.loop.time() + self.gateway.settings.request_timeout
            self.reply.resume()
        else:
            self.reply.cancel()

    @property
    def drained(self) -> bool:
        """Whether the client has gone and the answer is read to its end nevertheless."""
        deployment = self.deployment
        return self.exchange.gone and deployment is not None and deployment.provider.on_hang_up == "drain"

    def register(self) -> None:
        """Called before the first byte of an attempt leaves: should this process die, the call is booked as lost."""
        request, deployment, route = self.request, self.deployment, self.route
        assert request is not None
        assert deployment is not None
        assert route is not None
        user, project, origin = self.labels()
        entry = Entry(
            self.id,
            self.request_id.decode("ascii"),
            self.started_at,
            len(self.exchange.body),
            self.gateway.metrics.typical_output(deployment.provider.name, deployment.model.id, self.operation.name),
            bool(request.stream),
            self.attempts,
            route.key.id if route.key is not None else None,
            self.gateway.asked(deployment),
            request.model,
            user,
            project,
            origin,
            self.api_key,
            self.operation.name,
        )
        self.slot = self.gateway.journal.register.enter(entry, self.slot)

    def book(self, record: CallRecord) -> None:
        """Put it in the journal and count it."""
        self.gateway.journal.append(record, self.slot)
        self.slot = NO_SLOT  # only now: should the record be refused, the slot is still the call's, and is released
        self.gateway.metrics.count_call(record)
        self.tokens += record.usage.prompt_total + record.usage.completion_total
        self.cost_nano += record.cost_nano
        if self.stream is not None:
            self.stream.settle(record, self.cost_nano)

    def output_so_far(self) -> int:
        """Tokens of a whole answer nobody waited for: what the model usually writes, by the share of time it had."""
        deployment = self.deployment
        assert deployment is not None
        elapsed_us = (time.perf_counter_ns() - self.asked_ns) // 1000
        name, model = deployment.provider.name, deployment.model.id
        return self.gateway.metrics.typical_output(name, model, self.operation.name, elapsed_us)

    def identify(self, key: ApiKey | None) -> None:
        """Whose call it is: the key's labels win over what the request says of itself."""
        if key is not None:
            self.key = key
            self.owner = key.id or AGENTS_OWNER

    def enter_at_once(self, limits: Limits) -> bool:
        """Be let in from what is leased, the usual case; False: `enter` has to wait."""
        limiter = self.gateway.limiter
        admitted = limiter.admit_at_once(self._subject(), limits, self._estimated_tokens())
        if admitted is None:
            return False
        self.admitted = admitted
        self.limit_lines = limiter.header_lines(admitted)
        return True

    async def enter(self, limits: Limits) -> None:
        """Wait to be let in. The estimate of its tokens is corrected at the end. Raises RateLimited."""
        limiter = self.gateway.limiter
        self.admitted = await limiter.admit(self._subject(), limits, self._estimated_tokens())
        self.limit_lines = limiter.header_lines(self.admitted)

    def _subject(self) -> str:
        return f"address:{self.exchange.client}" if self.key is None else "key:" + self.key.id

    def _estimated_tokens(self) -> int:
        request = self.request
        assert request is not None
        return len(self.exchange.body) // BYTES_PER_TOKEN + (request.output_limit or 0) * request.choices

    def labels(self) -> tuple[str | None, str | None, str | None]:
        """User, project and origin: as the key says, else as the request names them."""
        if self._labels is not None:
            return self._labels
        request = self.request
        assert request is not None
        options = request.circuit_breaker
        tracking = options.budget_tracking if isinstance(options, Options) else None
        origin = self.exchange.fields.get(b"x-circuit-breaker-origin")
        user = tracking.user_id if tracking is not None else None
        project = tracking.project_id if tracking is not None else None
        if self.key is not None:
            user, project = self.key.user or user, self.key.project or project
        self._labels = labels = (
            user or _label(request.user),
            project,
            _label(origin.decode("latin-1")) if origin is not None else None,
        )
        return labels

    @property
    def api_key(self) -> str | None:
        """The id of the key the call was made with."""
        return self.key.id or None if self.key is not None else None

    def overhead_us(self) -> int:
        """Microseconds spent in the gateway itself so far."""
        return (time.perf_counter_ns() - self.exchange.received_at - self.provider_ns) // 1000

    def headers(self, content_type: bytes, overhead_us: int, cost: int | None = None) -> HeaderLines:
        """The headers of an answer, with what is known of it so far."""
        who = b"" if self.deployment is None else self.deployment.header_lines
        known = (content_type, self.request_id, who + self.limit_lines, self.attempts, overhead_us / 1000)
        if cost is None:
            return HEADERS % known + self.dropped
        return HEADERS_AND_COST % (*known, cost // NANO, cost % NANO) + self.dropped

    def asked_at(self) -> int:
        """When the attempt under way began."""
        return max(time.time_ns() - (time.perf_counter_ns() - self.asked_ns), self.started_at)

    def record(
        self,
        outcome: Outcome,
        status: int,
        usage: Usage | None,
        *,
        estimated_output: int = 0,
        error_code: str | None = None,
        streamed: bool = False,
        estimated: bool = False,
    ) -> CallRecord:
        """What the journal stores. Without reported usage (None) it is charged by our estimate, also a partial answer;
        `estimated`: `usage` is an estimate already."""
        if usage is None:
            estimated = True
            usage = Usage(len(self.exchange.body) // BYTES_PER_TOKEN + 1, output=estimated_output)
        return self._record(outcome, status, usage, estimated, streamed, error_code)

    def _record(
        self, outcome: Outcome, status: int, usage: Usage, estimated: bool, streamed: bool, error_code: str | None
    ) -> CallRecord:
        request, deployment = self.request, self.deployment
        assert request is not None
        assert deployment is not None
        price = deployment.model.price
        free = price is None or (outcome == "upstream_error" and not estimated and not usage.prompt_total)
        key = self.route.key if self.route is not None else None
        user, project, origin = self.labels()
        return CallRecord(
            number=self.gateway.journal.next_number,
            id=self.id,
            request_id=self.request_id.decode("ascii"),
            started_at=self.started_at,
            finished_at=max(time.time_ns(), self.started_at),  # the system's clock may be set back
            provider=deployment.provider.name,
            model=deployment.model.id,
            requested_model=request.model,
            status=status,
            outcome=outcome,
            usage=usage,
            cost_nano=0 if price is None or free else cost_nano(usage, price),
            price=price,
            estimated=estimated,
            streamed=streamed,
            asked_at=self.asked_at() if self.attempts > 1 else None,
            first_byte_at=self.first_byte_at,
            provider_key=key.id if key is not None else None,
            user=user,
            project=project,
            origin=origin,
            api_key=self.api_key,
            error_code=error_code,
            attempts=self.attempts,
            operation=self.operation.name,
            overhead_us=self.overhead_us(),
        )

    def name_provider(self, error: LlmError) -> None:
        """Say the provider's name where the error has its address, which is no client's business."""
        if self.route is not None and self.deployment is not None:
            error.message = error.message.replace(str(self.route.origin), f"Provider {self.deployment.provider.name}")

    def refuse(self, error: LlmError) -> None:
        """Answer with an error in the shape of the operation."""
        headers = self.headers(JSON[1], self.overhead_us(), self.cost_nano)
        refuse(self.exchange, error, self.request_id, headers, self.operation)


def refuse(
    exchange: Exchange,
    error: LlmError,
    request: bytes,
    headers: HeaderLines | None = None,
    operation: Operation | None = None,
) -> None:
    """The same for any exchange; in OpenAI's shape where it is about no operation."""
    headers = headers or lines([JSON, (b"x-request-id", request)])
    if isinstance(error, RateLimited):
        headers += error.lines
    if error.retry_after is not None:
        headers += b"retry-after: %d\r\n" % max(1, round(error.retry_after))
    if isinstance(error, MethodNotAllowed):
        headers += b"allow: %b\r\n" % error.allowed.encode("ascii")
    body = error_body(error) if operation is None else operation.error_body(error)
    exchange.respond(error.status, headers, body)


def _label(text: str | None) -> str | None:
    return text[:MAX_LABEL].replace("\x00", "") if text else None
