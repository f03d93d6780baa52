"""The request id: every HTTP answer of the control plane carries `x-request-id`, the client's if it sent a sane one.

`request.request_id` is what error messages name and log lines repeat. Sockets make one an operation (`new_request_id`).
"""

import re
import uuid
from collections.abc import Callable

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, JsonResponse

SANE = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


class RequestIdMiddleware:
    """First in the chain, so that answers made by later middleware carry the id too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("x-request-id", "")
        request_id = given if SANE.fullmatch(given) else new_request_id()
        request.request_id = request_id  # type: ignore[attr-defined]
        response = self._get_response(request)
        response["x-request-id"] = request_id
        return response


class HostMiddleware:
    """Refuses a foreign Host by one line that says what to do, instead of Django's page for developers."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            request.get_host()
        except DisallowedHost:
            host = request.headers.get("host", "")[:200]
            message = (
                f"This server is not called {host!r}. If it is to be reached by that name, add it to ALLOWED_HOSTS "
                "(environment or .env) and start again."
            )
            extensions = {"code": "FOREIGN_HOST", "requestId": request.request_id}  # type: ignore[attr-defined]
            return JsonResponse({"errors": [{"message": message, "extensions": extensions}]}, status=400)
        return self._get_response(request)


def new_request_id() -> str:
    return f"req-{uuid.uuid4().hex}"
