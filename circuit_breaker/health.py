"""How the product is: `/health`, `/ready` and `/metrics` on the control port, and what GraphQL's `health` shows.

`/health` answers 200 whatever it says, `/ready` 503 while the database does not answer: restarts of the control plane
cure neither. Figures of the data plane are what live gateways last reported (`llm.selectors.gateway_figures`); a
gateway's own, fresher ones are on its own port. Nothing secret is in any of them.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from circuit_breaker import __version__
from llm.selectors import GatewayFigures, gateway_figures

SERVICE = "circuit-breaker-control"
STARTED = time.monotonic()


@dataclass(frozen=True)
class Part:
    name: str
    status: str
    """ok, or degraded."""
    detail: str


@dataclass(frozen=True)
class Health:
    parts: tuple[Part, ...]
    figures: GatewayFigures | None
    """None when the database does not answer."""

    @property
    def status(self) -> str:
        return "ok" if all(part.status == "ok" for part in self.parts) else "degraded"


def examine() -> Health:
    """Ask the database, and what the gateways told it. Two queries; raises nothing."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        figures = gateway_figures(timezone.now())
    except Error as error:
        detail = f"{settings.STORAGE_BACKEND}: {type(error).__name__}"
        return Health((Part("database", "degraded", detail), Part("gateways", "degraded", "unknown")), None)
    live = [gateway.name for gateway in figures.gateways if gateway.live]
    gateways = Part("gateways", "ok" if live else "degraded", f"live: {', '.join(live) or 'none'}")
    return Health((Part("database", "ok", settings.STORAGE_BACKEND), gateways), figures)


def uptime_seconds() -> float:
    return round(time.monotonic() - STARTED, 3)


@require_safe
def health(request: HttpRequest) -> HttpResponse:
    found = examine()
    answer = {
        "status": found.status,
        "service": SERVICE,
        "version": __version__,
        "uptime_seconds": uptime_seconds(),
        "parts": {part.name: {"status": part.status, "detail": part.detail} for part in found.parts},
    }
    return JsonResponse(answer, headers={"Cache-Control": "no-store"})


@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    database = examine().parts[0]
    return JsonResponse(
        {"ready": database.status == "ok", "database": database.detail},
        status=200 if database.status == "ok" else 503,
        headers={"Cache-Control": "no-store"},
    )


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text. Labels are provider slugs, which are configured, so their number is bounded."""
    found = examine()
    lines = [
        *_metric("up", "gauge", "The control plane answers.", {"": 1}),
        *_metric("uptime_seconds", "gauge", "Since this process started.", {"": uptime_seconds()}),
        *_metric("database_up", "gauge", "The database answers.", {"": int(found.figures is not None)}),
    ]
    if found.figures is not None:
        lines += _gateway_metrics(found.figures)
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; version=0.0.4; charset=utf-8")


def _gateway_metrics(figures: GatewayFigures) -> list[str]:
    providers = figures.providers.items()
    requests = {f'{{provider="{_escaped(name)}"}}': row.requests for name, row in providers}
    errors = {f'{{provider="{_escaped(name)}"}}': row.errors for name, row in providers}
    return [
        *_metric("gateways_live", "gauge", "Gateway workers connected and heard lately.", {"": figures.live}),
        *_metric("gateway_in_flight", "gauge", "Requests the gateways have in work.", {"": figures.in_flight}),
        *_metric("gateway_connections", "gauge", "Client connections open.", {"": figures.connections}),
        *_metric("gateway_journal_lag", "gauge", "Calls recorded but not booked yet.", {"": figures.journal_lag}),
        *_metric("provider_recent_requests", "gauge", "Calls in the last one to two minutes.", requests),
        *_metric("provider_recent_errors", "gauge", "Failed calls in the last one to two minutes.", errors),
    ]


def _metric(name: str, kind: str, text: str, values: Mapping[str, float]) -> list[str]:
    full = f"circuit_breaker_control_{name}"
    return [f"# HELP {full} {text}", f"# TYPE {full} {kind}", *(f"{full}{at} {value}" for at, value in values.items())]


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
