"""What gateways report, and the figures made of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from llm import selectors, services
from llm.core.uplink import Hello, Observation, ProviderFigures
from llm.models import GatewayState

pytestmark = pytest.mark.django_db
NOW = timezone.now
START = datetime(2025, 3, 10, 12, tzinfo=UTC)


def a_hello(gateway: str = "gateway-0", pid: int = 1) -> Hello:
    return Hello(gateway=gateway, pid=pid, version="0.1.0")


def an_observation(after: float = 10, **fields: Any) -> Observation:
    """What a gateway started at START says `after` seconds."""
    started = int(START.timestamp()) * 10**9
    usual: dict[str, Any] = {
        "started_at": started,
        "at": started + int(after * 10**9),
        "requests": 0,
        "errors": 0,
        "in_flight": 0,
        "connections": 0,
        "latency_us_total": 0,
        "journal_lag": 0,
        "providers": {},
    }
    return Observation(**{**usual, **fields})


def observe(after: float, gateway: str = "gateway-0", **fields: Any) -> None:
    services.observe_gateway(gateway, an_observation(after, **fields), 1, START + timedelta(seconds=after))


def figures(after: float) -> selectors.GatewayFigures:
    return selectors.gateway_figures(START + timedelta(seconds=after))


def test_no_gateway_no_figures() -> None:
    assert figures(0) == selectors.GatewayFigures()


def test_rates_are_the_differences_of_the_last_minutes() -> None:
    observe(10, requests=1000, errors=500, latency_us_total=10**9)
    assert figures(10).requests_per_second == 100.0
    observe(70, requests=1000, errors=500, latency_us_total=10**9)
    observe(130, requests=1000, errors=500, latency_us_total=10**9)
    observe(140, requests=1700, errors=507, latency_us_total=10**9 + 700 * 2_500)
    seen = figures(140)
    assert (seen.requests_per_second, seen.error_rate, seen.average_latency_ms) == (10.0, 0.01, 2.5)
    assert (seen.total_requests, seen.total_errors) == (1700, 507)


def test_a_restarted_gateway_starts_with_new_marks() -> None:
    observe(100, requests=5000, providers={"openai": ProviderFigures(5000, 0, 1)})
    later = an_observation().started_at + 200 * 10**9
    observe(210, started_at=later, requests=20, providers={"openai": ProviderFigures(20, 5, 40_000)})
    seen = figures(210)
    assert seen.requests_per_second == 2.0
    assert seen.providers["openai"] == selectors.ProviderFigures(20, 5, 40_000)
    assert seen.providers["openai"].average_latency_ms == 2.0


def test_live_gateways_are_summed_and_silent_ones_left_out() -> None:
    observe(10, requests=100, errors=10, in_flight=1, connections=2, journal_lag=3)
    observe(10, "gateway-1", requests=300, errors=0, in_flight=4, connections=5, journal_lag=6)
    observe(-60, "gateway-2", requests=999)
    seen = figures(15)
    assert (seen.live, len(seen.gateways)) == (2, 3)
    assert (seen.total_requests, seen.in_flight, seen.connections, seen.journal_lag) == (400, 5, 7, 9)
    assert (seen.error_rate, seen.requests_per_second) == (0.025, 40.0)
    assert [(view.name, view.live) for view in seen.gateways] == [
        ("gateway-0", True),
        ("gateway-1", True),
        ("gateway-2", False),
    ]
    assert figures(21).live == 0


def test_disconnecting_ends_the_life_of_that_process_only() -> None:
    services.connect_gateway(a_hello(pid=1), START)
    services.connect_gateway(a_hello(pid=2), START)
    services.disconnect_gateway("gateway-0", 1)
    assert figures(0).live == 1
    services.disconnect_gateway("gateway-0", 2)
    assert figures(0).live == 0


def test_a_gateway_that_said_hello_only_has_no_rates() -> None:
    services.connect_gateway(a_hello(), START)
    assert (figures(0).live, figures(0).requests_per_second) == (1, 0.0)


def test_forgotten_gateways_are_gone() -> None:
    services.connect_gateway(a_hello(), START)
    services.forget_gateways(["gateway-0"])
    assert not GatewayState.objects.exists()
