"""GraphQL over HTTP: `POST /graphql` and `POST /` execute, a browser's `GET` gets GraphiQL, anything else is 405; who
accepts `text/event-stream` gets its results as events (`sse.py`), also by `GET` with the request in the query string.

The body is JSON whatever its content type says, because `curl -d '{"query": …}'` says form data. A list of requests is
a batch, answered in order, at most MAX_BATCH. A request that is not executed is 400 (413 too large, 403 foreign page)
with GraphQL's error shape; once executed it is 200, errors and all. Next: `execution.py`; sockets: `transport.py`.
"""

import json
import re
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from graphql import OperationType

from circuit_breaker.graphql import sse
from circuit_breaker.graphql.errors import PayloadTooLarge, RequestRefused
from circuit_breaker.graphql.execution import REFUSALS, Result, prepare, read_request, refusal, run
from circuit_breaker.origin import origin_allowed

MAX_BATCH = 10
UNSTORABLE = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
"""A NUL character in JSON, which no database text takes."""
PAGE_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " font-src 'self' data:; connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


@method_decorator(csrf_exempt, name="dispatch")  # the origin check in its place: API clients have no CSRF cookie
class GraphQLView(View):
    """One instance a request. The middleware in front has set `request.request_id` and checked the host."""

    http_method_names = ["get", "head", "post", "options"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        origin = request.headers.get("origin")
        if not origin_allowed(origin, request.get_host()):
            return self._refused(PermissionDenied(), status=403)
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        patch_vary_headers(response, ["Origin", "Accept"])
        if origin is not None:
            response["Access-Control-Allow-Origin"] = origin
            response["Access-Control-Expose-Headers"] = "x-request-id"
        return response

    def get(self, request: HttpRequest) -> HttpResponseBase:
        if sse.wanted(request):
            return self._streamed_get(request)
        if "text/html" not in request.headers.get("accept", ""):
            return self._only_post()
        page = render(request, "circuit_breaker/graphiql.html")
        page["Content-Security-Policy"] = PAGE_POLICY
        return page

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = HttpResponse(status=204)
        response["Allow"] = "GET, POST, OPTIONS"
        response["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
        response["Access-Control-Allow-Headers"] = "authorization, content-type, x-request-id"
        response["Access-Control-Max-Age"] = "600"
        return response

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._only_post()

    def post(self, request: HttpRequest) -> HttpResponseBase:
        try:
            payload = _decoded(_body(request))
            if sse.wanted(request):
                return self._streamed(payload)
            if not isinstance(payload, list):
                return self._answer(*self._execute(payload))
            if not 0 < len(payload) <= MAX_BATCH:
                raise RequestRefused(f"A batch holds 1 to {MAX_BATCH} requests; this one {len(payload)}.")
        except RequestRefused as error:
            return self._refused(error, error.status)
        return self._answer([self._execute(each)[0] for each in payload], 200)

    def _execute(self, payload: object) -> tuple[Result, int]:
        request_id = self.request.request_id  # type: ignore[attr-defined]
        try:
            operation = prepare(read_request(payload), request_id)
            if operation.kind is OperationType.SUBSCRIPTION:
                raise RequestRefused(
                    "Subscriptions run over a WebSocket (/graphql, subprotocol graphql-transport-ws) or as server-sent "
                    "events (Accept: text/event-stream)."
                )
        except REFUSALS as error:
            return refusal(error, request_id), 400
        return run(operation, self.request, request_id), 200

    def _streamed_get(self, request: HttpRequest) -> HttpResponseBase:
        """A query or subscription in the query string; a mutation is not for GET, which others may repeat."""
        try:
            asked = {name: request.GET[name] for name in ("query", "operationName") if name in request.GET}
            variables = request.GET.get("variables") or "null"
            payload = {**asked, "variables": _decoded(variables.encode())}
            return self._streamed(payload, may_change=False)
        except RequestRefused as error:
            return self._refused(error, error.status)

    def _streamed(self, payload: object, may_change: bool = True) -> HttpResponseBase:
        return sse.stream(read_request(payload), self.request, may_change)

    def _only_post(self) -> HttpResponse:
        response = self._refused(RequestRefused("GraphQL is served by POST; a browser gets GraphiQL by GET."), 405)
        response["Allow"] = "POST, OPTIONS"
        return response

    def _refused(self, error: Exception, status: int) -> HttpResponse:
        return self._answer(refusal(error, self.request.request_id), status)  # type: ignore[attr-defined]

    def _answer(self, result: Any, status: int) -> HttpResponse:
        return JsonResponse(result, status=status, safe=False, json_dumps_params={"separators": (",", ":")})


def _body(request: HttpRequest) -> bytes:
    too_large = f"The body is larger than {settings.DATA_UPLOAD_MAX_MEMORY_SIZE} bytes."
    try:
        body = request.body
    except RequestDataTooBig:
        raise PayloadTooLarge(too_large) from None
    if len(body) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        raise PayloadTooLarge(too_large)
    return body


def _decoded(body: bytes) -> object:
    try:
        payload = json.loads(body, parse_constant=_no_such_number)
        if b"\\u" in body:
            text = json.dumps(payload, ensure_ascii=False)
            text.encode()  # half a surrogate pair is no character
            if UNSTORABLE.search(text):
                raise RequestRefused("The body holds a NUL character (\\u0000), which cannot be stored.")
    except RecursionError:
        raise RequestRefused("The body is nested too deeply.") from None
    except ValueError as error:
        raise RequestRefused(f"The body is not JSON: {error}.") from None
    return payload


def _no_such_number(name: str) -> None:
    raise ValueError(f"{name} is not a number in JSON")
