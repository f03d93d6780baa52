"""Whom a human step is for: names, or expressions over the token that give one when the step begins."""

from typing import Any

import pytest

from workflows.core.errors import BadDefinition, NotEnabled
from workflows.core.marking import Request
from workflows.core.notation import compile_definition
from workflows.core.run import Case, fire_named, put, settle


def signing(work: dict[str, Any], **more: Any) -> Case:
    """A case that has not begun; its step begins when asked to."""
    step = {"id": "sign", "kind": "human", "start": "manual", "fromPlaces": ["new"], "toPlace": "signed", "work": work}
    definition = {"name": "C", "places": ["new", "signed"], "initialPlace": "new", "transitions": [step | more]}
    return Case(compile_definition(definition).net)


def asked(work: dict[str, Any], data: dict[str, Any]) -> Request:
    """What the step asks for when it begins with a token that carries `data`."""
    case = put(signing(work), "new", data)
    (request,) = fire_named(case, "t1", "sign").log[-1].change.requests
    return request


def said(expression: str) -> dict[str, str]:
    return {"expression": expression}


def test_names_are_handed_on_as_they_are_written() -> None:
    work = {"assignee": "bob", "group": "legal", "escalation": {"after": "PT1H", "group": "bosses"}}
    settings = asked(work, {}).settings
    assert settings == {"assignee": "bob", "group": "legal", "escalation": {"after": 3600.0, "group": "bosses"}}


def test_expressions_are_said_over_the_token_that_begins_the_step() -> None:
    work = {
        "title": "Sign",
        "assignee": said("data.owner.login"),
        "group": said('"sales-" + data.country'),
        "escalation": {"after": 60, "assignee": said("data.owner.boss"), "group": "bosses"},
        "input": {"sum": "data.sum"},
    }
    request = asked(work, {"owner": {"login": "ann", "boss": "eve"}, "country": "ch", "sum": 7})
    assert request.settings == {
        "title": "Sign",
        "assignee": "ann",
        "group": "sales-ch",
        "escalation": {"after": 60.0, "assignee": "eve", "group": "bosses"},
    }
    assert request.input == {"sum": 7}


def test_two_tokens_are_for_two_people_and_the_definition_stays_as_it_is() -> None:
    case = signing({"escalation": {"assignee": said("data.boss")}})
    for name in ("ann", "bob"):
        begun = fire_named(put(case, "new", {"boss": name}), "t1", "sign")
        assert begun.log[-1].change.requests[0].settings == {"escalation": {"assignee": name}}
    work = case.net.steps["sign"].work
    assert work.settings == {"escalation": {}}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, 'data.who: Key not found in map : "who"'),
        ({"who": 7}, "data.who: gives a number, and must give a string"),
        ({"who": None}, "data.who: gives null, and must give a string"),
        ({"who": True}, "data.who: gives true or false, and must give a string"),
        ({"who": ["ann"]}, "data.who: gives a list, and must give a string"),
        ({"who": {"name": "ann"}}, "data.who: gives an object, and must give a string"),
        ({"who": " "}, "data.who: must be a non-empty string"),
        ({"who": "x" * 151}, "data.who: has 151 characters; at most 150 are kept"),
    ],
)
@pytest.mark.parametrize("key", ["assignee", "group", "escalation.assignee", "escalation.group"])
def test_what_is_no_name_keeps_the_step_from_beginning_and_says_where(
    key: str, data: dict[str, Any], message: str
) -> None:
    outer, _, inner = key.partition(".")
    case = put(signing({outer: {inner: said("data.who")} if inner else said("data.who")}), "new", data)
    with pytest.raises(NotEnabled) as refused:
        fire_named(case, "t1", "sign")
    (reason,) = refused.value.details["reasons"]
    assert (reason["kind"], reason["path"]) == ("expression", f"work.{key}")
    assert reason["message"] == f"work.{key} of the step: {message}"
    assert case.marking.counts() == {"new": 1}


def test_a_step_that_begins_by_itself_waits_where_its_token_is_until_there_is_a_name() -> None:
    begins = signing({"assignee": said("data.who")}, start="automatic")
    assert settle(put(begins, "new", {})).marking.counts() == {"new": 1}
    assert settle(put(begins, "new", {"who": "ann"})).marking.counts() == {"sign.running": 1}


@pytest.mark.parametrize(
    ("work", "fault"),
    [
        ({"assignee": 7}, "transitions[0].work.assignee: must be a non-empty string"),
        ({"group": "x" * 151}, "transitions[0].work.group: has 151 characters; at most 150 are kept"),
        ({"assignee": {"expr": "data.a"}}, "transitions[0].work.assignee.expr: "),
        ({"assignee": {}}, 'transitions[0].work.assignee.expression: must be an expression, such as "data'),
        ({"group": said("data.")}, "transitions[0].work.group.expression: is no expression: "),
        ({"group": said("who.name")}, "transitions[0].work.group.expression: is no expression: "),
        ({"escalation": {"after": 1}}, "transitions[0].work.escalation: says neither assignee nor group"),
        ({"escalation": {"group": said("+")}}, "transitions[0].work.escalation.group.expression: is no expression: "),
    ],
)
def test_a_fault_in_the_definition_has_its_path(work: dict[str, Any], fault: str) -> None:
    with pytest.raises(BadDefinition) as refused:
        signing(work)
    assert str(refused.value).startswith(fault)
