"""What billing refuses on purpose.

BillingError
├── BadInput      a field the caller can mend
└── UnknownKey    no API key has that id
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


class UnknownKey(BillingError):
    """No API key has that id."""

    code = "API_KEY_NOT_FOUND"
