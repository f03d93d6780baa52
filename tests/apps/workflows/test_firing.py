"""Tokens move by one transaction each: exactly one of several firings wins, and the log says all that happened."""

from typing import Any

import pytest

from tests.apps.workflows.conftest import REVIEW, together
from workflows import selectors, services
from workflows.core.errors import (
    BadDefinition,
    BadInput,
    IdempotencyMismatch,
    NotEnabled,
    TokenConflict,
    TokenNotFound,
    UnknownPlace,
    UnknownTransition,
    WorkflowExists,
    WorkflowNotFound,
)
from workflows.models import Case, Firing, Token, TokenChange, Workflow, WorkflowVersion

pytestmark = pytest.mark.django_db(transaction=True)


def log_of(token: Token) -> list[tuple[int, str, str]]:
    return list(Firing.objects.filter(case=token.case).order_by("seq").values_list("seq", "kind", "transition"))


def test_a_token_starts_in_the_initial_place_of_a_case_of_its_own(papers: Workflow) -> None:
    token = services.create_token("papers", data={"title": "A"}, metadata={"by": "me"})
    assert (token.place, token.data, token.metadata, token.version) == ("draft", {"title": "A"}, {"by": "me"}, 1)
    assert log_of(token) == [(1, "token_created", "")]
    assert selectors.fold_log(token.case_id) == selectors.stored_marking(token.case_id)


def test_firing_moves_the_token_and_merges_data_shallowly(papers: Workflow) -> None:
    token = services.create_token("papers", data={"title": "A", "tags": {"x": 1}})
    fired = services.fire(str(token.pk), "submit", {"tags": {"y": 2}, "score": 3}, triggered_by="me")
    assert (fired.pk, fired.place, fired.version) == (token.pk, "review", 2)
    assert fired.data == {"title": "A", "tags": {"y": 2}, "score": 3}
    assert log_of(token) == [(1, "token_created", ""), (2, "transition_fired", "submit")]
    entry = Firing.objects.get(case=token.case, seq=2)
    assert (entry.from_place, entry.to_place, entry.triggered_by) == ("draft", "review", "me")
    assert entry.data == {"tags": {"y": 2}, "score": 3}


def test_eight_threads_fire_one_token_and_exactly_one_wins(papers: Workflow) -> None:
    for _ in range(5):
        token = services.create_token("papers")
        outcomes = together(8, lambda number, token=token: services.fire(str(token.pk), "submit", {"by": number}))
        winners = [outcome for outcome in outcomes if isinstance(outcome, Token)]
        losers = [outcome for outcome in outcomes if isinstance(outcome, NotEnabled | TokenConflict)]
        assert (len(winners), len(losers)) == (1, 7), outcomes
        assert {loser.details["place"] for loser in losers} == {"review"}
        assert log_of(token) == [(1, "token_created", ""), (2, "transition_fired", "submit")]
        assert Token.objects.get(pk=token.pk).data == winners[0].data


def test_with_an_expected_version_one_of_eight_repeatable_firings_wins(papers: Workflow) -> None:
    token = services.create_token("papers")
    outcomes = together(8, lambda _: services.fire(str(token.pk), "touch", expected_version=1))
    assert sum(isinstance(outcome, Token) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, TokenConflict) for outcome in outcomes) == 7


def test_without_an_expected_version_repeatable_firings_queue_up_and_none_is_lost(papers: Workflow) -> None:
    token = services.create_token("papers")
    outcomes = together(8, lambda number: services.fire(str(token.pk), "touch", {f"by_{number}": True}))
    assert all(isinstance(outcome, Token) for outcome in outcomes), outcomes
    after = Token.objects.get(pk=token.pk)
    assert (after.version, len(after.data)) == (9, 8)
    assert [seq for seq, _, _ in log_of(token)] == list(range(1, 10))


def test_one_idempotency_key_fires_once_also_from_eight_threads(papers: Workflow) -> None:
    token = services.create_token("papers")
    outcomes = together(8, lambda _: services.fire(str(token.pk), "touch", {"n": 1}, idempotency_key="k"))
    assert [outcome.version for outcome in outcomes] == [2] * 8
    assert Firing.objects.filter(case=token.case, kind=Firing.FIRED).count() == 1


def test_an_idempotency_key_used_for_something_else_is_refused(papers: Workflow) -> None:
    token = services.create_token("papers")
    services.fire(str(token.pk), "touch", {"n": 1}, idempotency_key="k")
    with pytest.raises(IdempotencyMismatch):
        services.fire(str(token.pk), "touch", {"n": 2}, idempotency_key="k")
    with pytest.raises(BadInput, match="may not begin with 'effect:'"):
        services.fire(str(token.pk), "touch", idempotency_key="effect:1")


def test_not_enabled_says_where_the_token_is_and_where_it_must_be(papers: Workflow) -> None:
    token = services.create_token("papers")
    with pytest.raises(NotEnabled) as caught:
        services.fire(str(token.pk), "approve")
    assert str(caught.value) == (
        'Transition \'approve\' is not enabled: the token is in "draft" and must be in "review".'
    )
    assert caught.value.details["reasons"][0]["kind"] == "token_elsewhere"
    assert selectors.why_not_enabled(str(token.pk), "approve") == caught.value.details["reasons"]
    assert selectors.why_not_enabled(str(token.pk), "submit") == []


def test_a_guard_is_judged_by_the_token_and_not_by_what_the_caller_brings(papers: Workflow) -> None:
    token = services.create_token("papers", data={"score": 5})
    services.fire(str(token.pk), "submit")
    with pytest.raises(NotEnabled, match="score is 5 and must be greater than 5"):
        services.fire(str(token.pk), "approve_good", {"score": 9})
    names = [transition.id for transition in selectors.available_transitions(str(token.pk))]
    assert names == ["approve"]


def test_a_split_and_a_join_by_one_named_token(papers: Workflow) -> None:
    token = services.create_token("papers", data={"title": "A"})
    services.fire(str(token.pk), "split")
    child = Token.objects.get(case=token.case, place="legal")
    assert child.pk != token.pk
    assert child.data == {"title": "A"}
    services.fire(str(child.pk), "join", {"signed": True})
    joined, partner = Token.objects.get(pk=child.pk), Token.objects.get(pk=token.pk)
    assert (joined.place, joined.state, joined.data) == ("ready", "live", {"title": "A", "signed": True})
    assert (partner.place, partner.state) == ("review", "consumed")
    with pytest.raises(NotEnabled, match='the token was consumed in "review"'):
        services.fire(str(token.pk), "approve")
    assert selectors.why_not_enabled(str(token.pk), "approve")[0]["kind"] == "token_consumed"
    assert selectors.available_transitions(str(token.pk)) == []
    assert selectors.fold_log(token.case_id) == selectors.stored_marking(token.case_id)


def test_a_join_takes_partners_of_its_own_case_only(papers: Workflow) -> None:
    ours, theirs = services.create_token("papers"), services.create_token("papers")
    services.fire(str(ours.pk), "submit")
    services.fire(str(theirs.pk), "split")
    with pytest.raises(NotEnabled, match='"legal" has 0 of the 1 tokens needed'):
        services.fire(str(ours.pk), "join")


def test_concurrent_joins_of_one_case_use_each_token_once(papers: Workflow) -> None:
    first = services.create_token("papers")
    case = str(first.case_id)
    reviews = [services.create_token("papers", place="review", case_id=case) for _ in range(8)]
    for _ in range(5):
        services.create_token("papers", place="legal", case_id=case)
    outcomes = together(8, lambda number: services.fire(str(reviews[number].pk), "join"))
    assert sum(isinstance(outcome, Token) for outcome in outcomes) == 5
    assert selectors.stored_marking(first.case_id).counts() == {"draft": 1, "ready": 5, "review": 3}
    assert selectors.fold_log(first.case_id) == selectors.stored_marking(first.case_id)
    seqs = list(Firing.objects.filter(case=first.case).order_by("seq").values_list("seq", flat=True))
    assert seqs == list(range(1, len(seqs) + 1))


def test_a_sink_consumes_the_token(papers: Workflow) -> None:
    token = services.create_token("papers")
    assert services.fire(str(token.pk), "discard").state == "consumed"
    assert selectors.fold_log(token.case_id).tokens() == ()


def test_partners_are_those_that_are_named_and_no_others(papers: Workflow) -> None:
    first = services.create_token("papers", place="review")
    case = str(first.case_id)
    legal = [services.create_token("papers", place="legal", case_id=case) for _ in range(3)]
    draft, review = (
        services.create_token("papers", case_id=case),
        services.create_token("papers", place="review", case_id=case),
    )

    def join(*partners: str) -> Token:
        return services.fire(str(first.pk), "join", partner_token_ids=partners)

    for partners, said in (
        ([str(draft.pk)], f"the named partner {draft.pk} is not among the tokens it could take"),
        ([], "it takes 1 partners and 0 were named"),
        ([str(legal[0].pk), str(legal[1].pk)], "it takes 1 partners and 2 were named"),
        ([str(review.pk)], "the named partners do not come from the places it takes them from"),
    ):
        with pytest.raises(NotEnabled) as caught:
            join(*partners)
        assert caught.value.details["reasons"][0]["message"] == said
    with pytest.raises(BadInput, match="partnerTokenIds: 'x' is no token id"):
        join("x")
    assert join(str(legal[2].pk).upper()).place == "ready"
    assert [Token.objects.get(pk=token.pk).state for token in legal] == ["live", "live", "consumed"]


def test_partners_are_taken_first_in_first_out(papers: Workflow) -> None:
    first = services.create_token("papers", place="review")
    case = str(first.case_id)
    legal = [services.create_token("papers", place="legal", case_id=case) for _ in range(3)]
    services.fire(str(first.pk), "join")
    states = [Token.objects.get(pk=token.pk).state for token in legal]
    assert states == ["consumed", "live", "live"]


def test_what_does_not_exist_is_named_with_a_guess(papers: Workflow) -> None:
    token = services.create_token("papers")
    with pytest.raises(UnknownTransition, match="no transition 'submitt'; did you mean \"submit\""):
        services.fire(str(token.pk), "submitt")
    with pytest.raises(UnknownPlace, match='did you mean "review"'):
        services.create_token("papers", place="revew")
    with pytest.raises(WorkflowNotFound):
        services.create_token("nothing")
    for wrong in ("nothing", "6b0b0a5e-5b6b-4c1f-8f0c-8f2f3d2b1a00", ""):
        with pytest.raises(TokenNotFound):
            services.fire(wrong, "submit")


BAD_DATA: dict[str, Any] = {
    "a list": [1],
    "not a number": {"a": float("nan")},
    "a NUL": {"a": "x\x00y"},
    "half a surrogate pair": {"a": "\ud800"},
    "a key with a NUL": {"\x00": 1},
    "too large": {"a": "x" * 1_000_001},
    "a huge integer": {"a": 1 << 5000},
}


@pytest.mark.parametrize("name", BAD_DATA)
def test_bad_data_is_refused_and_nothing_is_written(papers: Workflow, name: str) -> None:
    token = services.create_token("papers")
    with pytest.raises(BadInput):
        services.create_token("papers", data=BAD_DATA[name])
    with pytest.raises(BadInput):
        services.fire(str(token.pk), "submit", BAD_DATA[name])
    assert (Case.objects.count(), Firing.objects.count(), TokenChange.objects.count()) == (1, 1, 1)


def test_a_token_does_not_grow_past_the_limit_by_merging(papers: Workflow) -> None:
    token = services.create_token("papers", data={"a": "x" * 600_000})
    with pytest.raises(BadInput, match="at most 1000000 are kept"):
        services.fire(str(token.pk), "submit", {"b": "x" * 600_000})
    assert Token.objects.get(pk=token.pk).version == 1


def test_the_same_definition_twice_is_one_workflow_and_another_is_refused(papers: Workflow) -> None:
    assert services.create_workflow(REVIEW).pk == "papers"
    assert WorkflowVersion.objects.count() == 1
    with pytest.raises(WorkflowExists):
        services.create_workflow({**REVIEW, "name": "Others"})


def test_a_faulty_definition_leaves_nothing_behind() -> None:
    with pytest.raises(BadDefinition, match=r"^initialPlace: no place \"drft\"; did you mean \"draft\"\?$"):
        services.create_workflow({**REVIEW, "initialPlace": "drft"})
    with pytest.raises(BadDefinition, match=r"^id: must be"):
        services.create_workflow({**REVIEW, "id": "no spaces"})
    assert Workflow.objects.count() == 0


def test_without_an_id_each_definition_is_a_new_workflow() -> None:
    written = {key: value for key, value in REVIEW.items() if key != "id"}
    assert services.create_workflow(written).pk != services.create_workflow(written).pk


def test_seeding_twice_makes_the_two_workflows_once() -> None:
    assert services.seed_workflows() == ["document_review", "software_deployment"]
    assert services.seed_workflows() == []
    token = services.create_token("document_review")
    for transition in ("submit", "approve", "publish"):
        token = services.fire(str(token.pk), transition)
    assert token.place == "published"
