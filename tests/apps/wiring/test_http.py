"""GraphQL over HTTP: every way to ask, and every way to ask wrongly."""

import json
import logging
from typing import Any

import pytest
from django.test import Client

from circuit_breaker.graphql.limits import MAX_ALIASES, MAX_DEPTH

pytestmark = pytest.mark.usefixtures("small_schema")


@pytest.fixture
def client() -> Client:
    return Client(headers={"host": "localhost"})


def post(client: Client, body: object, content_type: str = "application/json", **headers: str) -> Any:
    data = body if isinstance(body, (bytes, str)) else json.dumps(body)
    return client.post("/graphql", data=data, content_type=content_type, headers=headers)


def refused(answer: Any) -> tuple[int, str]:
    """Status and code of an answer that is one error."""
    body = answer.json()
    assert list(body) == ["errors"], body
    assert len(body["errors"]) == 1, body
    return answer.status_code, body["errors"][0]["extensions"]["code"]


@pytest.mark.parametrize("path", ["/", "/graphql", "/graphql/"])
def test_answers_a_query_at_each_path(client: Client, path: str) -> None:
    answer = client.post(path, data={"query": "{ hello }"}, content_type="application/json")
    assert (answer.status_code, answer.json()) == (200, {"data": {"hello": "Hello, world"}})


def test_takes_json_that_curl_calls_a_form(client: Client) -> None:
    answer = post(client, '{"query": "{ hello }"}', content_type="application/x-www-form-urlencoded")
    assert answer.json() == {"data": {"hello": "Hello, world"}}


def test_variables_and_operation_name(client: Client) -> None:
    query = "query A { hello } query B($name: String!) { hello(name: $name) }"
    answer = post(client, {"query": query, "operationName": "B", "variables": {"name": "Ada"}})
    assert answer.json() == {"data": {"hello": "Hello, Ada"}}


def test_mutations_run(client: Client) -> None:
    assert post(client, {"query": 'mutation { note(text: "done") }'}).json() == {"data": {"note": "DONE"}}


def test_a_batch_is_answered_in_order(client: Client) -> None:
    answer = post(client, [{"query": "{ hello }"}, {"query": "{ nonsense }"}, {"query": '{ hello(name: "B") }'}])
    first, second, third = answer.json()
    assert answer.status_code == 200
    assert (first, third) == ({"data": {"hello": "Hello, world"}}, {"data": {"hello": "Hello, B"}})
    assert second["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


@pytest.mark.parametrize("size", [0, 11])
def test_a_batch_has_bounds(client: Client, size: int) -> None:
    assert refused(post(client, [{"query": "{ hello }"}] * size)) == (400, "BAD_REQUEST")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"\xff\xfe",
        b'"a string"',
        b"{}",
        b'{"query": 1}',
        b'{"query": "  "}',
        b'{"query": "{ hello }", "variables": []}',
        b'{"query": "{ hello }", "variables": {"x": NaN}}',
        b'{"query": "{ hello }", "operationName": 1}',
        b'{"query": "{ hello }", "operationName": "Nobody"}',
        b'{"query": "query A { hello } query B { hello }"}',
        b'{"query": "{ hello }", "variables": {"x": "\\u0000"}}',
        b'{"query": "{ hello }", "variables": {"x": "\\ud800"}}',
        b"[" * 100_000,
        b'{"query": "subscription { endless }"}',
    ],
    ids=lambda body: body[:60].decode("latin-1"),
)
def test_a_malformed_request_is_400_in_graphqls_shape(client: Client, body: bytes) -> None:
    assert refused(post(client, body)) == (400, "BAD_REQUEST")


def test_a_backslash_before_u0000_is_no_nul(client: Client) -> None:
    answer = post(client, b'{"query": "query($n: String) { hello(name: $n) }", "variables": {"n": "\\\\u0000"}}')
    assert answer.json() == {"data": {"hello": "Hello, \\u0000"}}


def test_a_huge_body_is_413(client: Client) -> None:
    assert refused(post(client, {"query": "{ hello }", "x": "y" * 3_000_000})) == (413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ hello", "GRAPHQL_PARSE_FAILED"),
        ("{ nonsense }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ hello(name: 1) }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ node " + "{ node " * MAX_DEPTH + "{ name }" + "}" * MAX_DEPTH + "}", "QUERY_TOO_COMPLEX"),
        ("{ " + " ".join(f"a{n}: hello" for n in range(MAX_ALIASES + 1)) + " }", "QUERY_TOO_COMPLEX"),
        ("{ hello " + "#\n" * 6000 + "}", "GRAPHQL_PARSE_FAILED"),
        ("{ hello " * 6000, "GRAPHQL_PARSE_FAILED"),
        ("{ node " * 1600, "GRAPHQL_PARSE_FAILED"),
        ("{ hello " + " " * 200_000 + "}", "GRAPHQL_PARSE_FAILED"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_documents_that_are_not_executed(client: Client, query: str, code: str) -> None:
    assert refused(post(client, {"query": query})) == (400, code)
    assert refused(post(client, {"query": query})) == (400, code), "the same when it comes from the cache"


def test_a_bomb_of_fragments_is_counted_not_unfolded(client: Client) -> None:
    bomb = "{ ...f0 }" + "".join(
        f"fragment f{n} on Query {{ a{n}: hello ...f{n + 1} b{n}: node {{ name }} ...f{n + 1} }}" for n in range(60)
    )
    bomb += "fragment f60 on Query { hello }"
    assert refused(post(client, {"query": bomb})) == (400, "QUERY_TOO_COMPLEX")


def test_the_introspection_of_graphiql_is_within_the_bounds(client: Client) -> None:
    from graphql import get_introspection_query

    answer = post(client, {"query": get_introspection_query(descriptions=True, input_value_deprecation=True)})
    assert answer.json()["data"]["__schema"]["queryType"]["name"] == "Query"


def test_a_wrong_variable_is_the_users_error(client: Client) -> None:
    answer = post(client, {"query": "query($n: String) { hello(name: $n) }", "variables": {"n": {}}})
    assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


def test_a_domain_error_shows_its_code_and_details(client: Client) -> None:
    answer = post(client, {"query": "{ hello refused }"})
    assert answer.status_code == 200
    assert answer.json() == {
        "data": {"hello": "Hello, world", "refused": None},
        "errors": [
            {
                "message": "The transition is not enabled.",
                "extensions": {"code": "NOT_ENABLED", "details": {"reasons": ["no token"]}},
                "locations": [{"line": 1, "column": 9}],
                "path": ["refused"],
            }
        ],
    }


def test_an_internal_error_leaks_nothing_and_is_logged(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        answer = post(client, {"query": "{ broken }"}, **{"x-request-id": "req-42"})
    (error,) = answer.json()["errors"]
    assert error["extensions"] == {"code": "INTERNAL", "requestId": "req-42"}
    assert "hunter2" not in answer.content.decode()
    assert "req-42" in caplog.text
    assert "RuntimeError: the password is hunter2" in caplog.text


def test_a_database_that_is_away_is_said_without_its_address(client: Client) -> None:
    answer = post(client, {"query": "{ away }"})
    (error,) = answer.json()["errors"]
    assert error["extensions"]["code"] == "UNAVAILABLE"
    assert "10.1.2.3" not in answer.content.decode()


def test_every_answer_carries_a_request_id(client: Client) -> None:
    answer = post(client, {"query": "{ requestId }"})
    assert answer["x-request-id"] == answer.json()["data"]["requestId"]
    assert post(client, {"query": "{ requestId }"}, **{"x-request-id": "mine-1"})["x-request-id"] == "mine-1"
    assert post(client, b"", **{"x-request-id": "mine-2"})["x-request-id"] == "mine-2"
    hostile = post(client, b"", **{"x-request-id": "a b<script>"})["x-request-id"]
    assert hostile.startswith("req-")


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
def test_other_methods_are_405(client: Client, method: str) -> None:
    answer = getattr(client, method)("/graphql")
    assert refused(answer) == (405, "BAD_REQUEST")
    assert answer["allow"] == "POST, OPTIONS"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example", "file://x"])
def test_a_foreign_page_may_neither_ask_nor_change(client: Client, origin: str) -> None:
    assert refused(post(client, {"query": 'mutation { note(text: "x") }'}, origin=origin)) == (403, "FORBIDDEN")
    assert refused(client.options("/graphql", headers={"origin": origin})) == (403, "FORBIDDEN")


@pytest.mark.parametrize("origin", ["http://localhost", "http://localhost:5173", "http://127.0.0.1:3000"])
def test_pages_of_this_machine_may(client: Client, origin: str) -> None:
    answer = post(client, {"query": "{ hello }"}, origin=origin)
    assert (answer.status_code, answer["access-control-allow-origin"]) == (200, origin)
    preflight = client.options("/graphql", headers={"origin": origin})
    assert (preflight.status_code, preflight["access-control-allow-origin"]) == (204, origin)
    assert "content-type" in preflight["access-control-allow-headers"]


def test_without_cors_only_the_same_origin_may(client: Client, settings: Any) -> None:
    settings.CORS_ENABLED = False
    assert post(client, {"query": "{ hello }"}, origin="http://localhost:5173").status_code == 403
    assert post(client, {"query": "{ hello }"}, origin="http://localhost").status_code == 200


@pytest.mark.parametrize("setting", ["CORS_ORIGINS", "CSRF_TRUSTED_ORIGINS"])
def test_a_named_origin_may(client: Client, settings: Any, setting: str) -> None:
    setattr(settings, setting, ["https://app.example"])
    assert post(client, {"query": "{ hello }"}, origin="https://app.example.evil").status_code == 403
    assert post(client, {"query": "{ hello }"}, origin="https://app.example").status_code == 200


def test_an_unknown_host_is_refused_by_a_line_that_names_the_setting() -> None:
    answer = Client(headers={"host": "rebound.example"}).post("/graphql", data=b"{}", content_type="application/json")
    assert refused(answer) == (400, "FOREIGN_HOST")
    (error,) = answer.json()["errors"]
    assert "'rebound.example'" in error["message"]
    assert "ALLOWED_HOSTS" in error["message"]
    assert answer["x-request-id"] == error["extensions"]["requestId"]
