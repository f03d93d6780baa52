"""The one GraphQL schema: the apps' mixins joined, and what only the whole product can answer.

`make schema` writes it to docs/schema.graphql, `make check` compares. A field belongs to the app whose tables it shows.
"""

import graphene

import agents.schema
import billing.schema
import llm.schema
import workflows.schema
from circuit_breaker.graphql.system import Query as SystemQuery


class Query(agents.schema.Query, workflows.schema.Query, llm.schema.Query, billing.schema.Query, SystemQuery):
    """Everything that can be asked."""


class Mutation(agents.schema.Mutation, workflows.schema.Mutation, llm.schema.Mutation, billing.schema.Mutation):
    """Everything that can be changed."""


class Subscription(
    agents.schema.Subscription, workflows.schema.Subscription, llm.schema.Subscription, billing.schema.Subscription
):
    """Everything that can be followed, over graphql-transport-ws on /graphql."""


schema = graphene.Schema(query=Query, mutation=Mutation, subscription=Subscription)
