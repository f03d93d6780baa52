"""The agents app's queries. Lists are bounded by `selectors.LIST_LIMIT`; an unknown id is null."""

from collections.abc import Iterable

import graphene

from agents import models, selectors
from agents.schema.types import Agent, AgentExecution, PlaceAgentConfig


class Query(graphene.ObjectType):
    agents = graphene.List(graphene.NonNull(Agent), required=True)
    agent = graphene.Field(Agent, id=graphene.String(required=True))
    place_agent_configs = graphene.List(
        graphene.NonNull(PlaceAgentConfig), required=True, place_id=graphene.String(required=True)
    )
    agent_execution = graphene.Field(AgentExecution, id=graphene.String(required=True))
    token_executions = graphene.List(
        graphene.NonNull(AgentExecution),
        required=True,
        token_id=graphene.String(required=True),
        description="Newest first.",
    )

    @staticmethod
    def resolve_agents(root: object, info: graphene.ResolveInfo) -> Iterable[models.Agent]:
        return selectors.agents()

    @staticmethod
    def resolve_agent(root: object, info: graphene.ResolveInfo, id: str) -> models.Agent | None:  # noqa: A002
        return selectors.agent(id)

    @staticmethod
    def resolve_place_agent_configs(
        root: object, info: graphene.ResolveInfo, place_id: str
    ) -> Iterable[models.PlaceAgentConfig]:
        return selectors.place_agent_configs(place_id)

    @staticmethod
    def resolve_agent_execution(
        root: object,
        info: graphene.ResolveInfo,
        id: str,  # noqa: A002
    ) -> models.AgentExecution | None:
        return selectors.agent_execution(id)

    @staticmethod
    def resolve_token_executions(
        root: object, info: graphene.ResolveInfo, token_id: str
    ) -> Iterable[models.AgentExecution]:
        return selectors.token_executions(token_id)
