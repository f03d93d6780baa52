"""What a GraphQL client is told of an error: a message, `extensions.code`, and `extensions.details` if there are any.

Every app's errors carry a `code` in capitals and are shown as they are. What nobody meant to be shown becomes INTERNAL
with the request id; its traceback goes to the log and nowhere else. The codes made here:

    BAD_REQUEST                 the envelope (JSON, `query`, `variables`) is wrong
    PAYLOAD_TOO_LARGE           the body is larger than the server takes
    GRAPHQL_PARSE_FAILED        the query is not GraphQL
    GRAPHQL_VALIDATION_FAILED   the query does not fit the schema
    QUERY_TOO_COMPLEX           the query is over a bound of `limits.py`
    BAD_USER_INPUT              a variable or argument has the wrong type
    FORBIDDEN, UNAVAILABLE (the database does not answer), INTERNAL
"""

import logging
import re
from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied
from django.db import DataError, InterfaceError, OperationalError
from graphql import GraphQLError, GraphQLSyntaxError

logger = logging.getLogger(__name__)

CODE = re.compile(r"[A-Z][A-Z0-9_]*")
CANNOT_REPRESENT = re.compile(r"(cannot represent [^:]*): .*", re.DOTALL)
WHERE = re.compile(r" at '([\w.\[\]]+)'; ")
REASON = re.compile(
    r"; (Field '\w+' of required type '[^']*' was not provided|Field '\w+' is not defined by type '\w+'"
    r"|Expected (?:non-nullable )?type '[^']*'(?: not to be None| to be a mapping)?|\w+ cannot represent [^:;]*)"
)
"""The reasons of graphql-core that hold nothing of the value."""


class RequestRefused(Exception):
    """A request that is not executed at all; `status` is the HTTP status."""

    code: ClassVar[str] = "BAD_REQUEST"
    status: ClassVar[int] = 400


class PayloadTooLarge(RequestRefused):
    code = "PAYLOAD_TOO_LARGE"
    status = 413


class QueryTooComplex(RequestRefused):
    code = "QUERY_TOO_COMPLEX"


def shown(error: BaseException, request_id: str) -> dict[str, Any]:
    """The error as the client sees it. `error` is anything that was raised while a request was read or executed."""
    if not isinstance(error, GraphQLError):
        return _shape(*_meaning(error, request_id))
    cause = _root_cause(error)
    if isinstance(cause, GraphQLError):
        formatted = dict(error.formatted) | {"message": without_values(error.message)}
        formatted["extensions"] = {"code": _code_of(cause)} | (cause.extensions or {})
        return formatted
    message, extensions = _meaning(cause, request_id)
    located = {key: value for key, value in error.formatted.items() if key in ("locations", "path")}
    return _shape(message, extensions) | located


def without_values(message: str) -> str:
    """What is wrong with a variable or argument, without repeating it: it may be, or hold, a provider's key."""
    head, found, rest = message.partition(" got invalid value ")
    if not found:
        return CANNOT_REPRESENT.sub(r"\1.", message)
    where, reason = WHERE.search(rest), REASON.search(rest)
    place = f" at '{where.group(1)}'" if where else ""
    return f"{head} got an invalid value{place}; {reason.group(1) if reason else 'it does not fit its type'}."


def _root_cause(error: GraphQLError) -> BaseException:
    cause: BaseException = error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    return cause


def _code_of(error: GraphQLError) -> str:
    if isinstance(error, GraphQLSyntaxError):
        return "GRAPHQL_PARSE_FAILED"
    return "BAD_USER_INPUT"


def _shape(message: str, extensions: dict[str, Any]) -> dict[str, Any]:
    return {"message": message, "extensions": extensions}


def _meaning(error: BaseException, request_id: str) -> tuple[str, dict[str, Any]]:
    code = getattr(error, "code", None)
    if isinstance(code, str) and CODE.fullmatch(code):
        details = getattr(error, "details", None)
        return str(error), {"code": code} | ({"details": details} if details else {})
    if isinstance(error, PermissionDenied):
        return "You may not do this.", {"code": "FORBIDDEN"}
    if isinstance(error, RecursionError):
        return "The request is nested too deeply.", {"code": "QUERY_TOO_COMPLEX"}
    if isinstance(error, DataError):
        return "A value cannot be stored: it is too large or holds a NUL character.", {"code": "BAD_USER_INPUT"}
    logger.error("Request %s failed: %s", request_id, type(error).__name__, exc_info=error)
    if isinstance(error, OperationalError | InterfaceError):
        return "The database does not answer. Try again in a moment.", {"code": "UNAVAILABLE", "requestId": request_id}
    message = f"Something went wrong inside the server. The log has the reason under request id {request_id}."
    return message, {"code": "INTERNAL", "requestId": request_id}
