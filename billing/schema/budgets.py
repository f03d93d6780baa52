"""GraphQL of budgets: what may be spent, and what the ledger says was. Calls are not stopped by them yet.

Amounts are USD as floats, made from integer nano-dollars at this edge only.
"""

from typing import Any

import graphene
from django.utils import timezone

from billing import selectors, services
from billing.core.budget import alerts, check_budget
from billing.core.pricing import usd


class BudgetAlert(graphene.ObjectType):
    threshold = graphene.Float(required=True, description="Percent of the limit.")
    triggered = graphene.Boolean(required=True, description="Whether so much is used in the period that runs now.")
    message = graphene.String(required=True)


class Budget(graphene.ObjectType):
    """What a user, a project, a user in a project or (neither) everybody may spend in a period of UTC.

    The figures are the ledger's. They tell and warn: a call is not yet refused because a budget is exhausted.
    """

    budget_id = graphene.ID(required=True)
    user_id = graphene.String()
    project_id = graphene.String()
    period = graphene.String(required=True, description="hourly, daily, weekly (from Monday), monthly or total.")
    period_start = graphene.DateTime(description="Of the period that runs now; null for total.")
    period_end = graphene.DateTime(description="When the next one begins; null for total.")
    limit = graphene.Float(required=True, description="USD.")
    used = graphene.Float(required=True, description="USD of the calls that finished in the period.")
    remaining = graphene.Float(required=True, description="USD, never below 0.")
    is_exhausted = graphene.Boolean(required=True, description="All of the limit is used.")
    alerts = graphene.List(graphene.NonNull(BudgetAlert), required=True, description="One for each threshold.")


class BudgetInput(graphene.InputObjectType):
    user_id = graphene.String(description="Whose calls count; anybody's where it is missing.")
    project_id = graphene.String(description="Of which project; of any where it is missing.")
    limit = graphene.Float(required=True, description="USD, kept to the nano-dollar.")
    period = graphene.String(required=True, description="hourly, daily, weekly, monthly or total.")
    alert_thresholds = graphene.List(graphene.NonNull(graphene.Float), description="Percent of the limit.")


class SetBudget(graphene.Mutation):
    """Set what may be spent; once more for the same user, project and period changes it. It warns and stops no call."""

    class Arguments:
        input = BudgetInput(required=True)

    Output = Budget

    @staticmethod
    def mutate(root: object, info: graphene.ResolveInfo, input: dict[str, Any]) -> Budget:  # noqa: A002
        settings = check_budget(
            input.get("user_id"),
            input.get("project_id"),
            input["period"],
            input["limit"],
            input.get("alert_thresholds") or [],
        )
        row = services.set_budget(settings)
        return _shown(selectors.status_of_budget(row, timezone.now()))


class BudgetMutation(graphene.ObjectType):
    set_budget = SetBudget.Field(required=True)


class BudgetQuery(graphene.ObjectType):
    budget_status = graphene.Field(
        Budget,
        user_id=graphene.String(),
        project_id=graphene.String(),
        period=graphene.String(description="Where it is missing: of several, the one of which the most is used."),
        description="The budget set for exactly this user and project; null if there is none.",
    )

    @staticmethod
    def resolve_budget_status(
        root: object,
        info: graphene.ResolveInfo,
        user_id: str | None = None,
        project_id: str | None = None,
        period: str | None = None,
    ) -> Budget | None:
        found = selectors.budget_status(user_id or "", project_id or "", period, timezone.now())
        return None if found is None else _shown(found)


def _shown(status: selectors.BudgetStatus) -> Budget:
    settings, used = status.settings, status.used_nano
    return Budget(
        budget_id=status.id,
        user_id=settings.user or None,
        project_id=settings.project or None,
        period=settings.period,
        period_start=status.start,
        period_end=status.end,
        limit=float(usd(settings.limit_nano)),
        used=float(usd(used)),
        remaining=float(usd(max(0, settings.limit_nano - used))),
        is_exhausted=used >= settings.limit_nano,
        alerts=[
            BudgetAlert(threshold=alert.threshold, triggered=alert.triggered, message=alert.message)
            for alert in alerts(settings, used)
        ],
    )
