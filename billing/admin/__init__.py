"""What people see of billing: `usage` (read-only) and `keys`."""

from billing.admin.keys import ApiKeyAdmin
from billing.admin.usage import CallAdmin, DailyUsageAdmin

__all__ = ["ApiKeyAdmin", "CallAdmin", "DailyUsageAdmin"]
