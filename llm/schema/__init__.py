"""GraphQL of the llm app: `providers` and models, `chat` completions, `streams` followed.

Joined into the one schema by `circuit_breaker/schema.py`.
"""

from llm.schema.chat import ChatMutation
from llm.schema.providers import Mutation as ProviderMutation
from llm.schema.providers import Query
from llm.schema.streams import Subscription


class Mutation(ProviderMutation, ChatMutation):
    """Every mutation of the llm app."""


__all__ = ["Mutation", "Query", "Subscription"]
