"""The workflow part of the GraphQL schema. The mixins are joined with the other apps' in circuit_breaker/schema.py."""

from workflows.schema.mutations import Mutation
from workflows.schema.queries import Query
from workflows.schema.subscriptions import Subscription

__all__ = ["Mutation", "Query", "Subscription"]
