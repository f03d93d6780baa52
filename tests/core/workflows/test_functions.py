"""The allow-list is read strictly; schemas say where a value does not fit, and never repeat it."""

from typing import Any

import pytest

from workflows.core.containers import run_line
from workflows.core.errors import BadDefinition
from workflows.core.functions import Command, Container, HttpCall, Limits, SecretReference, read_functions
from workflows.core.json_schema import Violation, check_schema, violations


def one(**written: Any) -> Any:
    return read_functions({"functions": {"f": written}})["f"]


def test_a_command_with_everything() -> None:
    function = one(
        command=["/bin/resize", "--json"],
        user="images",
        description="Makes it small.",
        environment={"MODE": "fast"},
        secrets={"TOKEN": "env:RESIZE_TOKEN", "CERT": "file:/run/secrets/cert"},
        limits={"seconds": 2.5, "memory_mb": 64},
        input_schema={"type": "object"},
        take=["title"],
        result="small",
        fire="done",
    )
    assert function.work == Command(("/bin/resize", "--json"), "images")
    assert function.secrets == {
        "TOKEN": SecretReference("env", "RESIZE_TOKEN"),
        "CERT": SecretReference("file", "/run/secrets/cert"),
    }
    assert function.limits == Limits(seconds=2.5, memory_mb=64)
    assert (function.take, function.result, function.fire, function.kind) == (("title",), "small", "done", "command")


def test_an_image_and_a_call() -> None:
    assert one(image="ocr:1", arguments=["-x"]).work == Container("ocr:1", ("-x",), "none")
    call = one(url="https://x.example/{id}", secrets={"T": "env:T"}, headers={"Authorization": "Bearer ${T}"})
    assert call.work == HttpCall("https://x.example/{id}", "POST", {"Authorization": "Bearer ${T}"}, False)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({}, "functions.f: needs exactly one of `command`, `image` and `url`"),
        ({"command": ["/a"], "image": "b"}, "functions.f: needs exactly one of"),
        ({"command": "rm -rf /"}, "functions.f.command: must be a list of texts"),
        ({"command": ["resize"]}, "functions.f.command: is a list that begins with the program's absolute path"),
        ({"command": ["/a"], "shell": True}, "functions.f.shell: is not known: use command, "),
        ({"command": ["/a"], "url": None, "method": "GET"}, "needs exactly one"),
        ({"command": ["/a"], "limits": {"seconds": float("nan")}}, "functions.f.limits.seconds: must be a number from"),
        ({"command": ["/a"], "limits": {"memory_mb": True}}, "functions.f.limits.memory_mb: must be a number from 16"),
        ({"command": ["/a"], "limits": {"ram": 1}}, "functions.f.limits.ram: is not known"),
        ({"command": ["/a"], "secrets": {"A": "hunter2"}}, "functions.f.secrets.A: must be env:NAME or file:"),
        ({"command": ["/a"], "environment": {"CIRCUIT_BREAKER_X": "1"}}, "is no name for a variable"),
        ({"command": ["/a"], "environment": {"A": 1}}, "functions.f.environment.A: must be a text"),
        ({"command": ["/a"], "input_schema": {"type": "nope"}}, "functions.f.input_schema.type: "),
        ({"command": ["/a"], "input_schema": {"$ref": "http://x/y"}}, "input_schema.$ref: may only refer to a part"),
        ({"image": "--privileged"}, "functions.f.image: may not begin with `-`"),
        ({"url": "ftp://x/"}, "functions.f.url: must be http(s)://host/"),
        ({"url": "http://{host}/"}, "functions.f.url: must be http(s)://host/"),
        ({"url": "http://user:pass@x/"}, "functions.f.url: must be http(s)://host/"),
        ({"url": "http://x/", "method": "BREW"}, "functions.f.method: must be one of GET, POST"),
        ({"url": "http://x/", "headers": {"A": "b\r\nC: d"}}, "functions.f.headers.A: is not a header"),
        (
            {"url": "http://x/", "headers": {"A": "${T}"}},
            "functions.f.headers.A: names 'T', which is not among `secrets`",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_path(written: dict[str, Any], said: str) -> None:
    with pytest.raises(BadDefinition) as caught:
        one(**written)
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_the_documents_own_shape() -> None:
    assert read_functions(None) == {}
    assert read_functions({"functions": None}) == {}
    for document in ([], {"function": {}}, {"functions": []}, {"functions": {"a b": {"command": ["/a"]}}}):
        with pytest.raises(BadDefinition):
            read_functions(document)


def test_the_line_that_runs_an_image_holds_names_of_variables_and_no_values() -> None:
    line = run_line("docker", "n", Container("ocr:1", ("-x",)), Limits(memory_mb=64, processes=5), ["TOKEN"])
    text = " ".join(line)
    assert line[:3] == ("docker", "run", "--rm")
    assert line[-2:] == ("ocr:1", "-x")
    for part in (
        "--network none",
        "--read-only",
        "--cap-drop ALL",
        "--security-opt no-new-privileges",
        "--user 65534:65534",
        "--memory 64m --memory-swap 64m",
        "--pids-limit 5",
        "--env TOKEN",
    ):
        assert part in text


FORM = {
    "type": "object",
    "required": ["who", "lines"],
    "additionalProperties": False,
    "properties": {
        "who": {"type": "string", "minLength": 2},
        "on": {"type": "string", "format": "date"},
        "at": {"type": "string", "format": "date-time"},
        "lines": {"type": "array", "items": {"type": "object", "properties": {"price": {"type": "number"}}}},
    },
}


def test_violations_name_place_and_rule_and_not_the_value() -> None:
    value = {"who": "s", "on": "31.12.2026", "at": "2026-01-01T00:00:00", "lines": [{}, {"price": "secret"}], "x": 1}
    assert violations(FORM, value) == [
        Violation("", "may not have 'x'"),
        Violation("at", 'must have the format "date-time"'),
        Violation("lines[1].price", 'must be of type "number"'),
        Violation("on", 'must have the format "date"'),
        Violation("who", "must have at least 2 characters"),
    ]
    assert violations(FORM, {"who": "me"}) == [Violation("", "lacks 'lines'")]
    assert violations(FORM, {"who": "me", "lines": [], "on": "2026-12-31", "at": "2026-01-01T00:00:00Z"}) == []
    assert "secret" not in str(violations(FORM, value))


def test_a_schema_that_cannot_be_followed_ends() -> None:
    assert "refers to itself" in str(violations({"$ref": "#"}, 1)[0])
    assert "nothing at '/nowhere'" in str(violations({"$ref": "#/nowhere"}, 1)[0])


@pytest.mark.parametrize("rule", [{"pattern": "(a+)+$"}, {"patternProperties": {"(a+)+$": {}}}, {"$ref": "#/$defs/a"}])
def test_rules_that_may_run_for_hours_are_not_taken_from_strangers(rule: dict[str, Any]) -> None:
    schema = {"type": "object", "properties": {"pattern": {"type": "string"}, "a": rule}}
    assert check_schema(schema, "form")["properties"]["a"] == rule
    with pytest.raises(BadDefinition, match=r"form\.properties\.a\..* is not allowed here"):
        check_schema(schema, "form", trusted=False)
    check_schema({"properties": {"pattern": {"type": "string"}}}, "form", trusted=False)


def test_schemas_are_bounded() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100):
        deep = {"not": deep}
    with pytest.raises(BadDefinition, match="nested more than 64 deep"):
        check_schema(deep, "form")
    with pytest.raises(BadDefinition, match="at most 65536"):
        check_schema({"enum": ["x" * 70_000]}, "form")
    with pytest.raises(BadDefinition, match="is not JSON"):
        check_schema({"const": {1, 2}}, "form")
