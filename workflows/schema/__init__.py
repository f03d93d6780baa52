"""The workflow part of the GraphQL schema. The mixins are joined with the other apps' in circuit_breaker/schema.py."""

from workflows.schema.analysis import AnalysisQuery
from workflows.schema.cases import CaseQuery
from workflows.schema.changes import CaseMutation
from workflows.schema.human_tasks import TaskMutation, TaskQuery
from workflows.schema.mutations import Mutation as TokenMutation
from workflows.schema.nats import NatsMutation, NatsQuery
from workflows.schema.pnml import PnmlMutation, PnmlQuery
from workflows.schema.queries import Query as TokenQuery
from workflows.schema.rules import RuleMutation, RuleQuery
from workflows.schema.subscriptions import Subscription
from workflows.schema.webhooks import WebhookMutation, WebhookQuery


class Query(TokenQuery, CaseQuery, TaskQuery, AnalysisQuery, PnmlQuery, WebhookQuery, NatsQuery, RuleQuery):
    """Every query of the workflow engine."""


class Mutation(TokenMutation, CaseMutation, TaskMutation, PnmlMutation, WebhookMutation, NatsMutation, RuleMutation):
    """Every mutation of the workflow engine."""


__all__ = ["Mutation", "Query", "Subscription"]
