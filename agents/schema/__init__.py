"""GraphQL of the agents app, joined into the one schema by `circuit_breaker/schema.py`."""

from agents.schema.mutations import Mutation
from agents.schema.progress import Subscription
from agents.schema.queries import Query

__all__ = ["Mutation", "Query", "Subscription"]
