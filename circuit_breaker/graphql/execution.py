"""One GraphQL request, from its JSON to its result: what the HTTP view and the sockets share.

`read_request` checks the envelope, `prepare` parses, validates and bounds the document, `run` executes a query or
mutation on the calling thread (resolvers use the ORM), `open_source` and `results` run a subscription. Results are
plain JSON shapes; errors are in them as `errors.py` shows them. Nothing here knows about HTTP or frames.
"""

import inspect
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from asgiref.sync import async_to_sync
from django.core.exceptions import PermissionDenied
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    OperationType,
    create_source_event_stream,
    execute,
    get_operation_ast,
    parse,
    validate,
)

from circuit_breaker.graphql.errors import QueryTooComplex, RequestRefused, shown
from circuit_breaker.graphql.limits import MAX_LENGTH, MAX_TOKENS, check_size

Result = dict[str, Any]

CACHED_QUERY = 8 * 1024
"""Characters up to which a checked document is kept, for the next time the same text is sent."""


@dataclass(frozen=True)
class Request:
    """The envelope: what GraphQL over HTTP calls the request parameters."""

    query: str
    variables: dict[str, Any]
    operation_name: str | None


@dataclass(frozen=True)
class Operation:
    """A request whose document is valid and within bounds."""

    document: DocumentNode
    kind: OperationType
    request: Request


class NotValid(Exception):
    """The document does not parse or does not fit the schema; `errors` as the client sees them."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(errors[0]["message"])
        self.errors = errors


def read_request(payload: object) -> Request:
    """The envelope of a decoded JSON value; raises RequestRefused naming the field that is wrong."""
    if not isinstance(payload, dict):
        raise RequestRefused("A GraphQL request is a JSON object with a `query`.")
    query, variables, name = (payload.get(field) for field in ("query", "variables", "operationName"))
    if not isinstance(query, str) or not query.strip():
        raise RequestRefused("`query` must be a GraphQL document in a string.")
    if variables is not None and not isinstance(variables, dict):
        raise RequestRefused("`variables` must be an object.")
    if name is not None and not isinstance(name, str):
        raise RequestRefused("`operationName` must be a string.")
    return Request(query, variables or {}, name or None)


def prepare(request: Request, request_id: str) -> Operation:
    """The operation to execute; raises NotValid or RequestRefused."""
    check = _checked if len(request.query) <= CACHED_QUERY else _checked.__wrapped__
    outcome = check(request.query)
    if isinstance(outcome, RequestRefused):
        raise type(outcome)(*outcome.args)  # a fresh one: raising the kept one would grow its traceback each time
    if not isinstance(outcome, DocumentNode):
        raise NotValid([_coded(shown(error, request_id)) for error in outcome])
    operation = get_operation_ast(outcome, request.operation_name)
    if operation is None:
        asked = f"named {request.operation_name!r}" if request.operation_name else "to run; name one in `operationName`"
        raise RequestRefused(f"The document has no single operation {asked}.")
    return Operation(outcome, operation.operation, request)


def run(operation: Operation, context: object, request_id: str) -> Result:
    """Execute a query or mutation, resolvers on this thread."""
    request = operation.request
    outcome = execute(
        load_schema(),
        operation.document,
        context_value=context,
        variable_values=request.variables,
        operation_name=request.operation_name,
    )
    result = async_to_sync(_awaited)(outcome) if inspect.isawaitable(outcome) else outcome
    return _plain(result, request_id)


async def open_source(operation: Operation, context: object, request_id: str) -> AsyncIterator[Any]:
    """Start a subscription; its events, not executed yet. Raises NotValid when its resolver refuses.

    A resolver that returns an iterator (rather than being a generator) has noted its place in the log by the time this
    returns, so nothing that happens afterwards is missed.
    """
    request = operation.request
    source = await create_source_event_stream(
        load_schema(),
        operation.document,
        context_value=context,
        variable_values=request.variables,
        operation_name=request.operation_name,
    )
    if isinstance(source, ExecutionResult):
        raise NotValid([shown(error, request_id) for error in source.errors or ()])
    return aiter(source)


async def results(
    operation: Operation, source: AsyncIterator[Any], context: object, request_id: str
) -> AsyncGenerator[Result, None]:
    """One result an event. Closing this generator, or cancelling whoever iterates it, closes the source."""
    request = operation.request
    try:
        async for event in source:
            outcome = execute(
                load_schema(),
                operation.document,
                root_value=event,
                context_value=context,
                variable_values=request.variables,
                operation_name=request.operation_name,
            )
            yield _plain(await outcome if inspect.isawaitable(outcome) else outcome, request_id)
    finally:
        close = getattr(source, "aclose", None)
        if close is not None:
            await close()


def refusal(error: Exception, request_id: str) -> Result:
    """The result of a request that was never executed."""
    errors = error.errors if isinstance(error, NotValid) else [shown(error, request_id)]
    return {"errors": errors}


REFUSALS = (RequestRefused, NotValid, PermissionDenied)


@lru_cache(maxsize=256)
def _checked(query: str) -> DocumentNode | tuple[GraphQLError, ...] | RequestRefused:
    try:
        document = parse(query, max_lexical_tokens=MAX_TOKENS, max_comments=MAX_TOKENS, max_source_length=MAX_LENGTH)
        errors = validate(load_schema(), document, max_errors=20)
        if not errors:
            check_size(document)
    except GraphQLError as error:
        return (error,)
    except QueryTooComplex as error:
        return error
    except RecursionError:
        return QueryTooComplex("The document is nested too deeply.")
    return tuple(errors) if errors else document


def _coded(error: dict[str, Any]) -> dict[str, Any]:
    """Before execution, what is not a syntax error is a misfit with the schema."""
    if error["extensions"]["code"] == "BAD_USER_INPUT":
        error["extensions"]["code"] = "GRAPHQL_VALIDATION_FAILED"
    return error


async def _awaited(outcome: Any) -> ExecutionResult:
    result: ExecutionResult = await outcome
    return result


def _plain(result: ExecutionResult, request_id: str) -> Result:
    plain: Result = {"data": result.data}
    if result.errors:
        plain["errors"] = [shown(error, request_id) for error in result.errors]
    return plain


@lru_cache(maxsize=1)
def load_schema() -> GraphQLSchema:
    """The product's schema, loaded on first use: it imports every app."""
    from circuit_breaker.schema import schema

    loaded: GraphQLSchema = schema.graphql_schema
    return loaded
