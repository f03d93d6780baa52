"""GraphQL's `health` and `metrics`: true figures over all gateways, zero where nothing has been measured."""

import graphene
from django.utils import timezone
from graphene.types.scalars import BigInt

from billing import selectors as billing
from billing.core.pricing import usd
from circuit_breaker import __version__, health
from llm.selectors import GatewayFigures, gateway_figures


class HealthPart(graphene.ObjectType):
    name = graphene.String(required=True)
    status = graphene.String(required=True, description="ok or degraded.")
    detail = graphene.String(required=True)


class HealthStatus(graphene.ObjectType):
    status = graphene.String(required=True, description="ok or degraded.")
    service = graphene.String(required=True)
    version = graphene.String(required=True)
    uptime_seconds = graphene.Float(required=True)
    parts = graphene.List(graphene.NonNull(HealthPart), required=True)


class ProviderHealthMetrics(graphene.ObjectType):
    """What live gateways saw of a provider in the last one to two minutes."""

    provider = graphene.String(required=True)
    is_healthy = graphene.Boolean(required=True)
    error_rate = graphene.Float(required=True, description="0 to 1.")
    average_latency_ms = graphene.Float(required=True)
    requests = graphene.Int(required=True)


class CostMetrics(graphene.ObjectType):
    """USD. Days and months are UTC."""

    total_cost = graphene.Float(required=True)
    daily_spend = graphene.Float(required=True)
    monthly_spend = graphene.Float(required=True)
    projected_monthly_spend = graphene.Float(required=True)


class SystemMetrics(graphene.ObjectType):
    """Over all live gateways: rates of the last one to two minutes, totals since each gateway's start."""

    requests_per_second = graphene.Float(required=True)
    active_connections = graphene.Int(required=True)
    total_requests = BigInt(required=True)
    error_rate = graphene.Float(required=True, description="0 to 1.")
    average_latency_ms = graphene.Float(required=True)
    provider_health = graphene.List(graphene.NonNull(ProviderHealthMetrics), required=True)
    cost_metrics = graphene.Field(CostMetrics, required=True)

    @staticmethod
    def resolve_provider_health(figures: GatewayFigures, info: graphene.ResolveInfo) -> list[ProviderHealthMetrics]:
        return [
            ProviderHealthMetrics(
                provider=name,
                is_healthy=not row.failing,
                error_rate=row.error_rate,
                average_latency_ms=row.average_latency_ms,
                requests=row.requests,
            )
            for name, row in sorted(figures.providers.items())
        ]

    @staticmethod
    def resolve_active_connections(figures: GatewayFigures, info: graphene.ResolveInfo) -> int:
        return figures.connections

    @staticmethod
    def resolve_cost_metrics(figures: GatewayFigures, info: graphene.ResolveInfo) -> CostMetrics:
        spent = billing.cost_analytics(billing.UsageFilter(), timezone.now())
        return CostMetrics(
            total_cost=float(usd(spent.total)),
            daily_spend=float(usd(spent.today)),
            monthly_spend=float(usd(spent.month)),
            projected_monthly_spend=float(usd(spent.projected_month)),
        )


class Query(graphene.ObjectType):
    health = graphene.Field(HealthStatus, required=True)
    metrics = graphene.Field(SystemMetrics, required=True)

    @staticmethod
    def resolve_health(root: object, info: graphene.ResolveInfo) -> HealthStatus:
        found = health.examine()
        return HealthStatus(
            status=found.status,
            service=health.SERVICE,
            version=__version__,
            uptime_seconds=health.uptime_seconds(),
            parts=[HealthPart(name=part.name, status=part.status, detail=part.detail) for part in found.parts],
        )

    @staticmethod
    def resolve_metrics(root: object, info: graphene.ResolveInfo) -> GatewayFigures:
        return gateway_figures(timezone.now())
