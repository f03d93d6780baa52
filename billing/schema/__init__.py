"""The billing part of the GraphQL schema, joined with the other apps' in the wiring.

`costs` and `spending` show what was spent, the latter live (`pulse`); `budgets` what may be, `keys` who may.
"""

from billing.schema.budgets import BudgetMutation, BudgetQuery
from billing.schema.costs import CostQuery
from billing.schema.keys import KeyMutation, KeyQuery
from billing.schema.spending import Subscription


class Query(KeyQuery, CostQuery, BudgetQuery):
    """Every query of billing."""


class Mutation(KeyMutation, BudgetMutation):
    """Every mutation of billing."""


__all__ = ["Mutation", "Query", "Subscription"]
