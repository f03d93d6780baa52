"""GraphQL of what was spent: `costAnalytics`, from the rollups.

Amounts are USD as floats, made from integer nano-dollars at this edge only.
"""

from datetime import UTC, date, datetime
from typing import Any

import graphene
from django.utils import timezone
from graphene.types.scalars import BigInt

from billing import selectors
from billing.core.errors import BadInput
from billing.core.pricing import usd


class ProviderCost(graphene.ObjectType):
    provider = graphene.String(required=True)
    cost = graphene.Float(required=True, description="USD.")
    requests = BigInt(required=True)
    average_cost_per_request = graphene.Float(required=True, description="USD.")


class ModelCost(graphene.ObjectType):
    model = graphene.String(required=True)
    cost = graphene.Float(required=True, description="USD.")
    requests = BigInt(required=True)
    input_tokens = BigInt(required=True, description="Tokens read, from the provider's cache or not.")
    output_tokens = BigInt(required=True, description="Tokens written, hidden thinking included.")


class CostTrend(graphene.ObjectType):
    date = graphene.String(required=True, description="UTC day, e.g. 2025-01-31.")
    cost = graphene.Float(required=True, description="USD.")


class CostAnalytics(graphene.ObjectType):
    """What was spent. Days and months are UTC."""

    total_cost = graphene.Float(required=True, description="USD in the period asked for; without dates, ever.")
    daily_spend = graphene.Float(required=True, description="USD today.")
    monthly_spend = graphene.Float(required=True, description="USD this month.")
    projected_monthly_spend = graphene.Float(required=True, description="USD this month comes to at its pace so far.")
    provider_breakdown = graphene.List(graphene.NonNull(ProviderCost), required=True)
    model_breakdown = graphene.List(graphene.NonNull(ModelCost), required=True)
    cost_trends = graphene.List(
        graphene.NonNull(CostTrend), required=True, description="Each day of the period; without dates, the last 30."
    )


class CostAnalyticsInput(graphene.InputObjectType):
    user_id = graphene.String()
    project_id = graphene.String()
    start_date = graphene.String(description="First day, e.g. 2025-01-01; of a timestamp, its UTC day.")
    end_date = graphene.String(description="Last day, included.")


class CostQuery(graphene.ObjectType):
    cost_analytics = graphene.Field(CostAnalytics, required=True, input=CostAnalyticsInput())

    @staticmethod
    def resolve_cost_analytics(
        root: object,
        info: graphene.ResolveInfo,
        input: dict[str, Any] | None = None,  # noqa: A002
    ) -> CostAnalytics:
        given = input or {}
        wanted = selectors.UsageFilter(
            user=given.get("user_id"),
            project=given.get("project_id"),
            start=_day("startDate", given.get("start_date")),
            end=_day("endDate", given.get("end_date")),
        )
        return _shown(selectors.cost_analytics(wanted, timezone.now()))


def _shown(figures: selectors.CostAnalytics) -> CostAnalytics:
    return CostAnalytics(
        total_cost=_usd(figures.total),
        daily_spend=_usd(figures.today),
        monthly_spend=_usd(figures.month),
        projected_monthly_spend=_usd(figures.projected_month),
        provider_breakdown=[
            ProviderCost(
                provider=row.provider,
                cost=_usd(row.cost_nano),
                requests=row.requests,
                average_cost_per_request=float(usd(row.cost_nano) / row.requests),
            )
            for row in figures.providers
        ],
        model_breakdown=[
            ModelCost(
                model=row.model,
                cost=_usd(row.cost_nano),
                requests=row.requests,
                input_tokens=row.input_tokens,
                output_tokens=row.output_tokens,
            )
            for row in figures.models
        ],
        cost_trends=[CostTrend(date=row.day.isoformat(), cost=_usd(row.cost_nano)) for row in figures.trend],
    )


def _usd(nano: int) -> float:
    return float(usd(nano))


def _day(field: str, given: str | None) -> date | None:
    """An ISO date, or the UTC day of an ISO timestamp (one without a zone is taken as UTC)."""
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given)
        return (moment if moment.tzinfo is None else moment.astimezone(UTC)).date()
    except (ValueError, OverflowError):
        raise BadInput(f"{field} is {given[:40]!r}; give a day such as 2025-01-31.", {"field": field}) from None
