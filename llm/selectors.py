"""Reading providers, models and what the running gateways see of them.

A gateway counts as live when it is connected and was heard within LIVE_SECONDS. Rates are recent ones: of the last one
to two minutes (see `services/gateways.py`), or since the gateway's start if that is later. Next file: `schema/`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Prefetch, QuerySet

from llm.core.configuration import slug_of
from llm.models import GatewayState, Model, Provider

LIVE_SECONDS = 10
UNHEALTHY_ERROR_RATE = 0.5


@dataclass(frozen=True)
class ProviderFigures:
    """What live gateways saw of one provider recently. All zero when no call was made."""

    requests: int = 0
    errors: int = 0
    latency_us: int = 0

    @property
    def error_rate(self) -> float:
        return self.errors / self.requests if self.requests else 0.0

    @property
    def average_latency_ms(self) -> float:
        return self.latency_us / self.requests / 1000 if self.requests else 0.0

    @property
    def failing(self) -> bool:
        return self.error_rate >= UNHEALTHY_ERROR_RATE


@dataclass(frozen=True)
class Health:
    """Whether a provider answers, and how that is known: by `calls`, by a `probe`, or by `nothing` yet."""

    ok: bool
    observed_by: str
    latency_ms: float
    checked_at: datetime | None
    problem: str


@dataclass(frozen=True)
class GatewayView:
    """One gateway worker, live or not."""

    name: str
    live: bool
    seen_at: datetime
    version: str
    snapshot_version: int
    journal_lag: int


@dataclass(frozen=True)
class GatewayFigures:
    """All live gateways together. Totals are since each one's start."""

    gateways: tuple[GatewayView, ...] = ()
    live: int = 0
    requests_per_second: float = 0.0
    error_rate: float = 0.0
    average_latency_ms: float = 0.0
    total_requests: int = 0
    total_errors: int = 0
    in_flight: int = 0
    connections: int = 0
    journal_lag: int = 0
    providers: dict[str, ProviderFigures] = field(default_factory=dict)


def list_providers() -> QuerySet[Provider]:
    """All providers with their keys and offered models, in three queries."""
    offered = Prefetch("models", queryset=Model.objects.filter(enabled=True, available=True))
    return Provider.objects.select_related("probe").prefetch_related("keys", offered)


def provider_health(row: Provider, figures: ProviderFigures) -> Health:
    """Real calls of the last minutes say more than a probe; a probe says more than nothing."""
    probe = getattr(row, "probe", None)
    checked_at = probe.checked_at if probe else None
    problem = probe.problem if probe and not probe.ok else ""
    if figures.requests:
        return Health(not figures.failing, "calls", figures.average_latency_ms, checked_at, problem)
    if probe is not None and checked_at is not None:
        return Health(probe.ok, "probe", probe.latency_ms, checked_at, problem)
    return Health(True, "nothing", 0.0, None, "")


def find_provider(name: str) -> Provider | None:
    """By name or slug, upper and lower case alike."""
    return list_providers().filter(slug=slug_of(name)).first() or list_providers().filter(name__iexact=name).first()


def list_models() -> QuerySet[Model]:
    """The models enabled providers offer, best ranked first."""
    return (
        Model.objects.filter(enabled=True, available=True, provider__enabled=True)
        .select_related("provider")
        .order_by("rank", "model_id", "provider__slug")
    )


def gateway_figures(now: datetime) -> GatewayFigures:
    """The figures of every gateway heard of, and of the live ones together. One query."""
    states = list(GatewayState.objects.all())
    alive = [state for state in states if _live(state, now)]
    recent = [_recent(state) for state in alive]
    requests = sum(row["requests"] for row in recent)
    return GatewayFigures(
        gateways=tuple(_view(state, now) for state in states),
        live=len(alive),
        requests_per_second=sum(row["requests"] / row["seconds"] for row in recent),
        error_rate=sum(row["errors"] for row in recent) / requests if requests else 0.0,
        average_latency_ms=sum(row["latency_us"] for row in recent) / requests / 1000 if requests else 0.0,
        total_requests=sum(state.requests for state in alive),
        total_errors=sum(state.errors for state in alive),
        in_flight=sum(state.in_flight for state in alive),
        connections=sum(state.connections for state in alive),
        journal_lag=sum(state.journal_lag for state in alive),
        providers=_provider_figures(row["providers"] for row in recent),
    )


def gateways_heard_since(moment: datetime) -> set[str]:
    """Names of gateways that may still run."""
    return set(GatewayState.objects.filter(seen_at__gte=moment).values_list("gateway", flat=True))


def _live(state: GatewayState, now: datetime) -> bool:
    return state.connected and now - state.seen_at <= timedelta(seconds=LIVE_SECONDS)


def _view(state: GatewayState, now: datetime) -> GatewayView:
    return GatewayView(
        name=state.gateway,
        live=_live(state, now),
        seen_at=state.seen_at,
        version=state.version,
        snapshot_version=state.snapshot_version,
        journal_lag=state.journal_lag,
    )


def _recent(state: GatewayState) -> dict[str, Any]:
    """The counters less the older mark, and the seconds between the two."""
    now, then = state.counters, state.older_mark
    if not now or not then:
        return {"seconds": 1.0, "requests": 0, "errors": 0, "latency_us": 0, "providers": {}}
    providers = {
        name: [present - past for present, past in zip(row, then["providers"].get(name, [0, 0, 0]), strict=True)]
        for name, row in now["providers"].items()
    }
    difference = {name: now[name] - then[name] for name in ("requests", "errors", "latency_us")}
    return {"seconds": max(now["at"] - then["at"], 1.0), "providers": providers, **difference}


def _provider_figures(rows: Iterable[dict[str, list[int]]]) -> dict[str, ProviderFigures]:
    sums: dict[str, list[int]] = {}
    for providers in rows:
        for name, figures in providers.items():
            kept = sums.setdefault(name, [0, 0, 0])
            for position, figure in enumerate(figures):
                kept[position] += figure
    return {name: ProviderFigures(*figures) for name, figures in sums.items()}
