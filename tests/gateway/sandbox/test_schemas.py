"""Structured outputs: what the sandbox makes for a schema is valid by that schema, with pydantic as the judge."""

import enum
import json
from datetime import date, datetime
from typing import Annotated, Any, Literal, Optional
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter, create_model

from llm.sandbox.fits import Check, SchemaError, fits
from llm.sandbox.instances import instance
from tests.gateway.sandbox.asking import ask, body, said


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Node(BaseModel):
    name: Annotated[str, Field(min_length=2, max_length=8)]
    children: list["Node"]
    next: Optional["Node"] = None


class Everything(BaseModel):
    colour: Colour
    kind: Literal["a", "b"]
    number: Annotated[int, Field(ge=10, lt=20, multiple_of=7)]
    share: Annotated[float, Field(gt=0, lt=1)]
    below: Annotated[float, Field(lt=-3)]
    day: date
    moment: datetime
    identity: UUID
    tags: Annotated[set[int], Field(min_length=3)]
    pair: tuple[int, str]
    either: int | str
    mapping: dict[str, int]
    code: Annotated[str, Field(pattern=r"^[A-Z]{3}-\d{3}$")]
    maybe: str | None
    tree: Node


def test_a_rich_model_gets_a_valid_value() -> None:
    Everything.model_validate(instance(Everything.model_json_schema(), "text"))


def test_recursion_that_must_not_end_is_refused() -> None:
    endless = {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]}
    with pytest.raises(SchemaError, match="no end"):
        instance(endless, "text")


LEAVES = st.sampled_from(
    [
        str,
        int,
        float,
        bool,
        date,
        UUID,
        Colour,
        Literal["x"],
        Annotated[int, Field(ge=-5, le=-2)],
        Annotated[float, Field(gt=2.5, lt=2.75)],
        Annotated[str, Field(min_length=30, max_length=31)],
    ]
)
TYPES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(lambda kind: list[kind]),  # type: ignore[valid-type]
        inner.map(lambda kind: Annotated[list[kind], Field(min_length=2, max_length=4)]),  # type: ignore[valid-type]
        inner.map(lambda kind: Optional[kind]),  # noqa: UP045 - a type made at run time
        inner.map(lambda kind: dict[str, kind]),  # type: ignore[valid-type]
        st.dictionaries(st.sampled_from("abcd"), inner, min_size=1).map(
            lambda fields: create_model("Made", **{name: (kind, ...) for name, kind in fields.items()})  # type: ignore[call-overload]
        ),
    ),
    max_leaves=6,
)


@given(TYPES)
def test_any_model_gets_a_valid_value(kind: Any) -> None:
    adapter = TypeAdapter(kind)
    schema = adapter.json_schema()
    value = instance(schema, "some text")
    assert fits(value, schema, Check(schema))
    adapter.validate_json(json.dumps(value))


def test_the_reply_to_a_schema_is_such_a_value() -> None:
    shape = {"type": "json_schema", "json_schema": {"name": "everything", "schema": Everything.model_json_schema()}}
    Everything.model_validate_json(said(ask(response_format=shape)))


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nonsense"},
        {"$ref": "#/$defs/absent"},
        {"$ref": "https://example.com/schema"},
        {"$ref": "#"},
        {"type": "string", "pattern": "("},
        {"type": "string", "pattern": "^unguessable$"},
        {"type": "array", "minItems": 10**9},
        {"type": "string", "minLength": 10**9},
        {"type": "integer", "minimum": 3, "maximum": 2},
        {"type": "object", "properties": 7},
        {"type": "object", "required": ["a"], "additionalProperties": False},
        {"not": 1, "allOf": [{"type": "string"}, {"type": "integer"}]},
        {"type": "object", "properties": {name: {"$ref": "#"} for name in "abcdefgh"}},
        {"type": "string", "pattern": "^(a|a)*b$"},
        {"type": "string", "pattern": "a*" * 20 + "b"},
        {"allOf": [{"$ref": "#"}, {"$ref": "#"}]},
        {
            "$ref": "#/$defs/d0",
            "$defs": {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)} | {"d40": {}},
        },
    ],
)
def test_a_schema_that_cannot_be_followed_is_refused_with_the_reason(schema: dict[str, Any]) -> None:
    answer = ask(response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}})
    assert answer.status == 400
    assert body(answer)["error"]["param"] == "response_format"


@pytest.mark.parametrize(
    ("value", "schema", "verdict"),
    [
        (True, {"type": "integer"}, False),
        (1.0, {"type": "integer"}, True),
        (1, {"const": True}, False),
        ([1, 1], {"uniqueItems": True}, False),
        ({"a": 1}, {"additionalProperties": False}, False),
        (3, {"oneOf": [{"type": "integer"}, {"minimum": 2}]}, False),
        (0.3, {"multipleOf": 0.1}, True),
        (5, {"exclusiveMinimum": 5}, False),
        ("ab", {"pattern": "^b"}, False),
        ([1, "a"], {"prefixItems": [{"type": "integer"}], "items": {"type": "string"}}, True),
        (None, False, False),
    ],
)
def test_what_fits(value: Any, schema: Any, verdict: bool) -> None:
    assert fits(value, schema, Check(schema if isinstance(schema, dict) else {})) is verdict
