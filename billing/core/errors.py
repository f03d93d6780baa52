"""What billing refuses on purpose.

BillingError
└── BadInput    a filter or amount the caller can mend
"""

from typing import ClassVar


class BillingError(Exception):
    """Root of the tree."""

    code: ClassVar[str] = "BILLING_ERROR"

    def __init__(self, message: str, details: dict[str, object] | None = None) -> None:
        super().__init__(message)
        self.details = details


class BadInput(BillingError):
    """A field is malformed or out of range; `details["field"]` names it."""

    code = "BAD_INPUT"
