"""The billing part of the GraphQL schema: `costs`, `budgets` and `keys`, joined with the other apps' in the wiring."""

from billing.schema.budgets import BudgetMutation, BudgetQuery
from billing.schema.costs import CostQuery
from billing.schema.keys import KeyMutation, KeyQuery


class Query(KeyQuery, CostQuery, BudgetQuery):
    """Every query of billing."""


class Mutation(KeyMutation, BudgetMutation):
    """Every mutation of billing."""


__all__ = ["Mutation", "Query"]
