"""GraphQL as server-sent events: "distinct connections" of enisdenn/graphql-sse (PROTOCOL.md), one stream a request.

Events `next` carry results, `complete` ends the stream; errors of the document are a `next` too, as that protocol has
it. Queries and mutations may be asked for this way as well. A first comment says that a subscription has begun; one
every KEEP_ALIVE_SECONDS keeps proxies from cutting a quiet stream. The client's going away ends the stream, and with it
its source. Next: `view.py`.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from typing import Any

from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.http import HttpRequest, StreamingHttpResponse
from graphql import OperationType

from circuit_breaker.graphql.errors import RequestRefused
from circuit_breaker.graphql.execution import (
    Operation,
    Request,
    Result,
    open_source,
    prepare,
    refusal,
    results,
    run,
)

MEDIA_TYPE = "text/event-stream"
KEEP_ALIVE_SECONDS = 12.0
COMPLETE = b"event: complete\ndata:\n\n"
COMMENT = b":\n\n"


def wanted(request: HttpRequest) -> bool:
    """Whether the client asks for events: it names their type and does not name JSON before."""
    return request.headers.get("accept", "").split(",", 1)[0].strip().startswith(MEDIA_TYPE)


def stream(asked: Request, request: HttpRequest, may_change: bool) -> StreamingHttpResponse:
    """The response whose body is the operation's events; a mutation is refused unless it `may_change`.

    The middleware in front has set `request.request_id`. The document is checked when the body is read.
    """
    response = StreamingHttpResponse(_kept_alive(_events(asked, request, may_change)), content_type=MEDIA_TYPE)
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"
    return response


async def _events(asked: Request, request: HttpRequest, may_change: bool) -> AsyncGenerator[bytes]:
    request_id: str = request.request_id  # type: ignore[attr-defined]
    try:
        operation = await sync_to_async(prepare, thread_sensitive=False)(asked, request_id)
        if operation.kind is OperationType.MUTATION and not may_change:
            raise RequestRefused("A mutation is sent by POST.")
        if operation.kind is OperationType.SUBSCRIPTION:
            source = await open_source(operation, request, request_id)
            yield COMMENT  # from here on no event is missed
            async with aclosing(results(operation, source, request, request_id)) as told:
                async for result in told:
                    yield _next(result)
        else:
            yield _next(await sync_to_async(_run_and_let_go, thread_sensitive=False)(operation, request, request_id))
    except Exception as error:  # noqa: BLE001 - refused, or its source broke: `refusal` logs what is not to be shown
        yield _next(refusal(error, request_id))
    yield COMPLETE


async def _kept_alive(events: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    waiting: asyncio.Task[bytes] | None = None
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(anext(events))
            done, _ = await asyncio.wait([waiting], timeout=KEEP_ALIVE_SECONDS)
            if not done:
                yield COMMENT
                continue
            try:
                event = waiting.result()
            except StopAsyncIteration:
                return
            finally:
                waiting = None
            yield event
    finally:
        if waiting is not None:
            waiting.cancel()
            with suppress(asyncio.CancelledError, StopAsyncIteration):
                await waiting
        await events.aclose()


def _next(result: Result) -> bytes:
    text = json.dumps(result, separators=(",", ":"), ensure_ascii=False, default=str)
    return f"event: next\ndata: {text}\n\n".encode()


def _run_and_let_go(operation: Operation, context: Any, request_id: str) -> Result:
    """Execute on a pool thread, and leave no database connection behind on it."""
    close_old_connections()
    try:
        return run(operation, context, request_id)
    finally:
        close_old_connections()
