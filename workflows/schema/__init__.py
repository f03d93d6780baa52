"""The workflow part of the GraphQL schema. The mixins are joined with the other apps' in circuit_breaker/schema.py."""

from workflows.schema.analysis import AnalysisQuery
from workflows.schema.cases import CaseQuery
from workflows.schema.changes import CaseMutation
from workflows.schema.human_tasks import TaskMutation, TaskQuery
from workflows.schema.mutations import Mutation as TokenMutation
from workflows.schema.pnml import PnmlMutation, PnmlQuery
from workflows.schema.queries import Query as TokenQuery
from workflows.schema.subscriptions import Subscription
from workflows.schema.webhooks import WebhookMutation, WebhookQuery


class Query(TokenQuery, CaseQuery, TaskQuery, AnalysisQuery, PnmlQuery, WebhookQuery):
    """Every query of the workflow engine."""


class Mutation(TokenMutation, CaseMutation, TaskMutation, PnmlMutation, WebhookMutation):
    """Every mutation of the workflow engine."""


__all__ = ["Mutation", "Query", "Subscription"]
