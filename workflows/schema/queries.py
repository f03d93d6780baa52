"""Queries on workflows and tokens. Lists are bounded by `limit`, newest first where there is a time."""

from typing import Any

import graphene

from workflows import selectors
from workflows.schema import types

DEFAULT_LIMIT = 100


def _limit() -> graphene.Int:
    return graphene.Int(default_value=DEFAULT_LIMIT, description=f"At most {selectors.PAGE_MAXIMUM}.")


def _list_of(kind: type[graphene.ObjectType], **arguments: Any) -> graphene.List:
    return graphene.List(graphene.NonNull(kind), required=True, **arguments)


class Query(graphene.ObjectType):
    workflows = _list_of(types.Workflow, limit=_limit())
    workflow = graphene.Field(types.Workflow, id=graphene.String(required=True))
    workflow_picture = graphene.Field(
        types.Picture,
        required=True,
        workflow_id=graphene.String(required=True),
        refined=graphene.Boolean(default_value=False, description="Show the transitions a step is made of."),
    )
    tokens = _list_of(types.Token, workflow_id=graphene.String(), limit=_limit())
    token = graphene.Field(types.Token, id=graphene.String(required=True))
    tokens_in_place = _list_of(
        types.Token,
        workflow_id=graphene.String(required=True),
        place_id=graphene.String(required=True),
        limit=_limit(),
    )
    find_token = graphene.Field(
        types.Token, workflow_id=graphene.String(required=True), token_id=graphene.String(required=True)
    )
    available_transitions = _list_of(types.Transition, token_id=graphene.String(required=True))
    why_not_enabled = _list_of(
        types.NotEnabledReason,
        token_id=graphene.String(required=True),
        transition_id=graphene.String(required=True),
        description="Empty if the transition can be fired with the token now.",
    )

    @staticmethod
    def resolve_workflows(root: Any, info: Any, limit: int) -> list[dict[str, Any]]:
        return [types.show_workflow(row) for row in selectors.workflows(limit)]

    @staticmethod
    def resolve_workflow(root: Any, info: Any, id: str) -> dict[str, Any] | None:  # noqa: A002
        row = selectors.workflow(id)
        return None if row is None else types.show_workflow(row)

    @staticmethod
    def resolve_workflow_picture(root: Any, info: Any, workflow_id: str, refined: bool) -> types.ShownPicture:
        row = selectors.existing_workflow(workflow_id)
        assert row.current is not None
        return types.ShownPicture(selectors.picture_of_version(row.current), refined)

    @staticmethod
    def resolve_tokens(root: Any, info: Any, limit: int, workflow_id: str | None = None) -> list[types.TokenRow]:
        return types.show_tokens(list(selectors.tokens(workflow_id, None, limit)))

    @staticmethod
    def resolve_token(root: Any, info: Any, id: str) -> types.TokenRow | None:  # noqa: A002
        return types.show_token(selectors.token(id))

    @staticmethod
    def resolve_tokens_in_place(
        root: Any, info: Any, workflow_id: str, place_id: str, limit: int
    ) -> list[types.TokenRow]:
        return types.show_tokens(list(selectors.tokens(workflow_id, place_id, limit)))

    @staticmethod
    def resolve_find_token(root: Any, info: Any, workflow_id: str, token_id: str) -> types.TokenRow | None:
        row = selectors.token(token_id)
        return types.show_token(row if row is not None and row.workflow_id == workflow_id else None)

    @staticmethod
    def resolve_available_transitions(root: Any, info: Any, token_id: str) -> list[dict[str, Any]]:
        definitions, net = selectors.written_transitions(token_id)
        found = selectors.available_transitions(token_id)
        return [types.show_transition(each, definitions[each.step or each.id], net) for each in found]

    @staticmethod
    def resolve_why_not_enabled(root: Any, info: Any, token_id: str, transition_id: str) -> list[dict[str, Any]]:
        return [types.show_reason(reason) for reason in selectors.why_not_enabled(token_id, transition_id)]
