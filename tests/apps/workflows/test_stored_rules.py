"""Stored rules: kept, changed, removed, tried out, and named by the conditions of workflows, which copy them."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.apps.workflows.asking import ask, refused
from workflows import selectors, services
from workflows.core.errors import BadDefinition, BadInput, NotEnabled, RuleConflict, RuleExists, RuleNotFound
from workflows.models import StoredRule

CREATE = "mutation ($input: RuleDefinitionInput!) { createRule(input: $input) { id name condition tags version } }"
UPDATE = """mutation ($id: String!, $input: RuleChangeInput!) {
  updateRule(id: $id, input: $input) { name tags version condition } }"""
DELETE = "mutation ($id: String!) { deleteRule(id: $id) }"
EVALUATE = """mutation ($input: RuleEvaluationInput!) { evaluateRule(input: $input) {
  ruleId passed reason subResults { passed reason subResults { passed } } } }"""
MAKE = "mutation ($input: WorkflowDefinitionInput!) { createWorkflow(input: $input) { id transitions { conditions } } }"
LARGE = {"type": "FieldGreaterThan", "field": "amount", "value": 1000}
BOTH = {"type": "And", "rules": [LARGE, {"type": "Not", "rule": {"type": "FieldExists", "field": "held"}}]}

pytestmark = pytest.mark.django_db(transaction=True)


def naming(*conditions: Any, **more: Any) -> dict[str, Any]:
    """A workflow of one step under these conditions."""
    step = {"id": "pay", "fromPlaces": ["in"], "toPlace": "out", "conditions": list(conditions)}
    return {
        "id": "bills",
        "name": "Bills",
        "places": ["in", "out"],
        "transitions": [step],
        "initialPlace": "in",
        **more,
    }


def test_a_rule_is_kept_found_changed_and_removed() -> None:
    made = ask(CREATE, input={"id": "large", "condition": LARGE, "tags": ["money", "audit", "money"]})["createRule"]
    assert made == {"id": "large", "name": "large", "condition": LARGE, "tags": ["audit", "money"], "version": 1}
    ask(CREATE, input={"id": "any", "name": "Any", "condition": {"type": "FieldExists", "field": "x"}, "tags": ["x"]})
    assert ask('{ rule(id: "large") { condition } }') == {"rule": {"condition": LARGE}}
    assert [each["id"] for each in ask("{ rules { id } }")["rules"]] == ["any", "large"]
    assert ask('{ rules(tags: ["money", "audit"]) { id } }') == {"rules": [{"id": "large"}]}
    assert ask("{ rules(tags: []) { id } }") == {"rules": []}
    changed = ask(UPDATE, id="large", input={"name": "Large", "tags": ["big"], "expectedVersion": 1})["updateRule"]
    assert changed == {"name": "Large", "tags": ["big"], "version": 2, "condition": LARGE}
    assert ask(DELETE, id="large") == {"deleteRule": True}
    assert ask('{ rule(id: "large") { id } }') == {"rule": None}


def test_what_is_wrong_is_refused_and_keeps_nothing() -> None:
    services.create_rule(LARGE, rule_id="large")
    for bad in ({"type": "Nope"}, {"type": "Not", "rule": "large"}, {"type": "Expression", "expression": "1 +"}, {}):
        with pytest.raises(BadDefinition, match="condition"):
            services.create_rule(bad)
    assert isinstance(refused(CREATE, input={"condition": "large"}), BadInput)
    assert isinstance(refused(CREATE, input={"id": "large", "condition": LARGE}), RuleExists)
    assert isinstance(refused(CREATE, input={"id": "no spaces", "condition": LARGE}), BadInput)
    assert isinstance(refused(CREATE, input={"condition": LARGE, "name": "n" * 201}), BadInput)
    assert isinstance(refused(CREATE, input={"condition": LARGE, "tags": ["t" * 101]}), BadInput)
    assert isinstance(refused(CREATE, input={"condition": LARGE, "tags": [str(n) for n in range(33)]}), BadInput)
    assert isinstance(refused(UPDATE, id="large", input={"expectedVersion": 7}), RuleConflict)
    assert isinstance(refused(UPDATE, id="large", input={"condition": {"type": "Nope"}, "name": "x"}), BadDefinition)
    assert isinstance(refused(UPDATE, id="none", input={}), RuleNotFound)
    assert isinstance(refused(DELETE, id="none"), RuleNotFound)
    assert list(StoredRule.objects.values_list("id", "name", "version")) == [("large", "large", 1)]


def test_a_rule_is_tried_out_with_reason_and_parts() -> None:
    services.create_rule(BOTH, rule_id="both")
    found = ask(EVALUATE, input={"ruleId": "both", "data": {"amount": 7}})["evaluateRule"]
    assert (found["ruleId"], found["passed"]) == ("both", False)
    assert found["reason"] == "amount is 7 and must be greater than 1000"
    assert [part["passed"] for part in found["subResults"]] == [False, True]
    assert found["subResults"][1]["subResults"] == [{"passed": False}]
    given = {"condition": {"type": "FieldEquals", "field": "metadata.by", "value": "ann"}, "metadata": {"by": "ann"}}
    assert ask(EVALUATE, input=given)["evaluateRule"]["passed"]
    for bad in ({}, {"ruleId": "both", "condition": LARGE}, {"ruleId": "both", "tokenId": "x", "data": {}}):
        assert isinstance(refused(EVALUATE, input=bad), BadInput)
    assert isinstance(refused(EVALUATE, input={"ruleId": "none"}), RuleNotFound)


def test_a_condition_names_a_stored_rule_and_keeps_the_copy_it_was_made_with() -> None:
    services.create_rule(LARGE, rule_id="large")
    nested = {"type": "Not", "rule": {"type": "Not", "rule": "large"}}
    assert ask(MAKE, input=naming("large", nested))["createWorkflow"]["id"] == "bills"
    token = services.create_token("bills", data={"amount": 500})
    with pytest.raises(NotEnabled, match="amount is 500 and must be greater than 1000"):
        services.fire(str(token.pk), "pay")
    assert not ask(EVALUATE, input={"ruleId": "large", "tokenId": str(token.pk)})["evaluateRule"]["passed"]
    services.update_rule("large", condition={**LARGE, "value": 100})
    services.delete_rule("large")
    with pytest.raises(NotEnabled):
        services.fire(str(token.pk), "pay")
    held = ask('{ workflowRules(workflowId: "bills") { id condition version } }')["workflowRules"]
    assert held == [{"id": "large", "condition": LARGE, "version": None}]


def test_a_new_version_takes_the_rule_as_it_is_by_then() -> None:
    services.create_rule(LARGE, rule_id="large")
    services.create_workflow(naming("large"))
    services.update_rule("large", condition={**LARGE, "value": 100})
    assert services.update_workflow("bills", naming("large")).number == 2
    token = services.create_token("bills", data={"amount": 500})
    assert services.fire(str(token.pk), "pay").place == "out"


def test_a_definitions_own_rule_comes_before_a_stored_one() -> None:
    services.create_rule(LARGE, rule_id="large")
    services.create_workflow(naming("large", rules={"large": {"type": "FieldExists", "field": "amount"}}))
    token = services.create_token("bills", data={"amount": 1})
    assert services.fire(str(token.pk), "pay").place == "out"


def test_rules_may_name_each_other_in_any_order_and_survive_being_stored() -> None:
    rules = {"zz": LARGE, "a": {"type": "Not", "rule": "zz"}, "b": {"type": "Or", "rules": ["a", "zz"]}}
    made = services.create_workflow(naming("b", rules=rules))
    made.refresh_from_db()
    assert made.current is not None
    assert set(selectors.net_of(made.current).transitions) == {"pay"}
    with pytest.raises(BadDefinition, match=r"rules\.a: names itself: a -> b -> a|rules\.b: names itself: b -> a -> b"):
        services.create_workflow(naming(rules={"a": {"type": "Not", "rule": "b"}, "b": {"type": "Not", "rule": "a"}}))
    with pytest.raises(BadDefinition, match=r"conditions\[0\]: there is no stored rule 'nope'"):
        services.create_workflow(naming("nope"))


def test_the_admin_makes_and_changes_rules_and_says_what_is_wrong(client: Client) -> None:
    client.force_login(User.objects.create_superuser("ann"))
    page = "/admin/workflows/storedrule/"
    given = {"id": "large", "name": "Large", "description": "", "condition": '{"type": "Nope"}', "tag_line": "a, b"}
    answer = client.post(f"{page}add/", given)
    assert answer.status_code == 200
    assert "no rule type" in answer.content.decode()
    given["condition"] = '{"type": "FieldExists", "field": "x"}'
    assert client.post(f"{page}add/", given).status_code == 302
    assert client.post(f"{page}large/change/", {**given, "tag_line": "c"}).status_code == 302
    row = selectors.existing_rule("large")
    assert (row.version, [each.tag for each in row.tags.all()]) == (2, ["c"])
    assert "Large" in client.get(page).content.decode()
