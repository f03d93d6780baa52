"""The JSON scalar where this app's schema looks for it; it is shared by all apps (`billing/schema/scalars.py`)."""

from billing.schema.scalars import JSON

__all__ = ["JSON"]
