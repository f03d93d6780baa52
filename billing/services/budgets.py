"""Setting budgets: one for each user, project and period; setting it again changes it.

A budget says what is used and warns. It does not yet stop calls: see `docs/reference/graphql.md`.
"""

from django.utils import timezone

from billing.core.budget import BudgetSettings
from billing.models import Budget


def set_budget(settings: BudgetSettings) -> Budget:
    """Make the budget, or change limit and thresholds of the one there is. Settings are checked (`core/budget`)."""
    now = timezone.now()
    changed = {"limit_nano": settings.limit_nano, "thresholds": list(settings.thresholds), "updated_at": now}
    row, _ = Budget.objects.update_or_create(
        user=settings.user,
        project=settings.project,
        period=settings.period,
        defaults=changed,
        create_defaults={**changed, "created_at": now},
    )
    return row
