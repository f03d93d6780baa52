"""Asks the workflow part of the GraphQL schema as clients ask it."""

from typing import Any

import graphene

from workflows.schema import Mutation, Query, Subscription

schema = graphene.Schema(query=Query, mutation=Mutation, subscription=Subscription)


def ask(query: str, **variables: Any) -> Any:
    """The data of the answer, which has no errors."""
    result = schema.execute(query, variables=variables)
    assert result.errors is None, result.errors
    return result.data


def refused(query: str, **variables: Any) -> Any:
    """The error that the first resolver which failed raised."""
    result = schema.execute(query, variables=variables)
    assert result.errors is not None
    return result.errors[0].original_error
