"""GraphQL of billing: `costAnalytics`, and the API keys of clients.

Amounts are USD as floats, made from integer nano-dollars at this edge only. A key is shown once, by `createApiKey`.
"""

from datetime import UTC, date, datetime
from typing import Any

import graphene
from django.utils import timezone
from graphene.types.scalars import BigInt

from billing import models as tables
from billing import selectors, services
from billing.core.errors import BadInput
from billing.core.keys import ApiKeySettings, Limits
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


class ApiKey(graphene.ObjectType):
    """A client's key; the key itself is not kept."""

    id = graphene.ID(required=True)
    name = graphene.String(required=True)
    hint = graphene.String(required=True, description="First and last characters of the key.")
    user = graphene.String(description="Calls are booked on this user.")
    project = graphene.String(description="Calls are booked on this project.")
    scopes = graphene.List(graphene.NonNull(graphene.String), required=True)
    models = graphene.List(graphene.NonNull(graphene.String), required=True, description="Empty: all.")
    requests_per_minute = graphene.Int()
    tokens_per_minute = graphene.Int()
    burst = graphene.Int(description="Requests that may come at once; without it, a minute's worth.")
    concurrent_requests = graphene.Int()
    show_cost = graphene.Boolean(required=True, description="The usage of each reply says what it cost.")
    created_at = graphene.DateTime(required=True)
    expires_at = graphene.DateTime()
    revoked_at = graphene.DateTime()
    last_used_at = graphene.DateTime(description="As of the last booked call.")

    @staticmethod
    def resolve_user(row: tables.ApiKey, info: graphene.ResolveInfo) -> str | None:
        return row.user or None

    @staticmethod
    def resolve_project(row: tables.ApiKey, info: graphene.ResolveInfo) -> str | None:
        return row.project or None

    @staticmethod
    def resolve_models(row: tables.ApiKey, info: graphene.ResolveInfo) -> list[str]:
        return list(row.allowed_models)


class ApiKeyInput(graphene.InputObjectType):
    name = graphene.String(required=True)
    user = graphene.String()
    project = graphene.String()
    scopes = graphene.List(
        graphene.NonNull(graphene.String),
        description="chat (the default), workflows:read, workflows:write, admin.",
    )
    models = graphene.List(graphene.NonNull(graphene.String), description="The only ones it may use; empty: all.")
    requests_per_minute = graphene.Int()
    tokens_per_minute = graphene.Int()
    burst = graphene.Int()
    concurrent_requests = graphene.Int()
    show_cost = graphene.Boolean(description="Say in the usage of each reply what it cost; false by default.")
    expires_at = graphene.DateTime()


class CreateApiKey(graphene.Mutation):
    """Make a key. `key` is shown here and never again."""

    class Arguments:
        input = ApiKeyInput(required=True)

    key = graphene.String(required=True)
    api_key = graphene.Field(ApiKey, required=True)

    @staticmethod
    def mutate(root: object, info: graphene.ResolveInfo, input: dict[str, Any]) -> "CreateApiKey":  # noqa: A002
        row, key = services.create_key(_key_settings(input))
        return CreateApiKey(key=key, api_key=row)


class RevokeApiKey(graphene.Mutation):
    """Refuse a key from now on, for good; every gateway hears of it within a second."""

    class Arguments:
        id = graphene.ID(required=True)

    Output = ApiKey

    @staticmethod
    def mutate(root: object, info: graphene.ResolveInfo, id: str) -> tables.ApiKey:  # noqa: A002
        return services.revoke_key(id)


class Mutation(graphene.ObjectType):
    create_api_key = CreateApiKey.Field(required=True)
    revoke_api_key = RevokeApiKey.Field(required=True)


class Query(graphene.ObjectType):
    api_keys = graphene.List(graphene.NonNull(ApiKey), required=True)
    cost_analytics = graphene.Field(CostAnalytics, required=True, input=CostAnalyticsInput())

    @staticmethod
    def resolve_api_keys(root: object, info: graphene.ResolveInfo) -> list[tables.ApiKey]:
        return list(selectors.list_keys())

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


def _key_settings(given: dict[str, Any]) -> ApiKeySettings:
    scopes = given.get("scopes")
    expires_at: datetime | None = given.get("expires_at")
    if expires_at is not None and expires_at.tzinfo is None:
        expires_at = expires_at.replace(tzinfo=UTC)
    return ApiKeySettings(
        name=given["name"],
        user=given.get("user") or "",
        project=given.get("project") or "",
        scopes=("chat",) if scopes is None else tuple(scopes),
        models=tuple(given.get("models") or ()),
        expires_at=expires_at,
        limits=Limits(
            given.get("requests_per_minute"),
            given.get("tokens_per_minute"),
            given.get("burst"),
            given.get("concurrent_requests"),
        ),
        show_cost=bool(given.get("show_cost")),
    )


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
