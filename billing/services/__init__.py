"""All writing to the tables of `billing`: `ledger` books calls, `keys` makes and revokes keys, `budgets` sets them."""

from billing.services.budgets import set_budget
from billing.services.keys import announce_with, create_key, edit_key, revoke_key
from billing.services.ledger import SUMS, RollupKey, book, call_of, fold

__all__ = [
    "SUMS",
    "RollupKey",
    "announce_with",
    "book",
    "call_of",
    "create_key",
    "edit_key",
    "fold",
    "revoke_key",
    "set_budget",
]
