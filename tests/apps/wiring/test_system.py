"""Health and metrics: from the database and from what gateways reported; and the joined schema."""

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from circuit_breaker import __version__
from llm import services
from llm.core.uplink import Hello

HEALTH = "{ health { status service version uptimeSeconds parts { name status detail } } }"
METRICS = """{ metrics { requestsPerSecond activeConnections totalRequests errorRate averageLatencyMs
  providerHealth { provider isHealthy } costMetrics { totalCost dailySpend monthlySpend projectedMonthlySpend } } }"""


@pytest.fixture
def client() -> Client:
    return Client(headers={"host": "localhost"})


def ask(client: Client, query: str) -> dict[str, object]:
    answer = client.post("/graphql", data={"query": query}, content_type="application/json").json()
    assert "errors" not in answer, answer
    (value,) = answer["data"].values()
    assert isinstance(value, dict)
    return value


@pytest.mark.django_db
def test_without_a_gateway_it_is_degraded_and_says_why(client: Client) -> None:
    body = client.get("/health").json()
    assert (body["status"], body["version"]) == ("degraded", __version__)
    assert body["parts"]["gateways"] == {"status": "degraded", "detail": "live: none"}
    assert client.get("/ready").status_code == 200, "it can serve GraphQL all the same"


@pytest.mark.django_db
def test_with_a_gateway_it_is_ok_everywhere(client: Client) -> None:
    services.connect_gateway(Hello("gateway-0", 1, "0.1.0"), timezone.now())
    assert client.get("/health").json()["status"] == "ok"
    health = ask(client, HEALTH)
    assert (health["status"], health["service"]) == ("ok", "circuit-breaker-control")
    assert {"name": "gateways", "status": "ok", "detail": "live: gateway-0"} in health["parts"]  # type: ignore[operator]
    assert "\ncircuit_breaker_control_gateways_live 1\n" in client.get("/metrics").content.decode()


@pytest.mark.django_db
def test_metrics_are_zero_where_nothing_happened(client: Client) -> None:
    assert ask(client, METRICS) == {
        "requestsPerSecond": 0.0,
        "activeConnections": 0,
        "totalRequests": 0,
        "errorRate": 0.0,
        "averageLatencyMs": 0.0,
        "providerHealth": [],
        "costMetrics": {"totalCost": 0.0, "dailySpend": 0.0, "monthlySpend": 0.0, "projectedMonthlySpend": 0.0},
    }


@pytest.mark.django_db
def test_a_database_that_is_away_is_said_and_not_hidden(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise OperationalError("connection to 10.1.2.3 refused")

    monkeypatch.setattr(connection, "cursor", refuse)
    health = client.get("/health")
    assert (health.status_code, health.json()["status"]) == (200, "degraded")
    assert client.get("/ready").status_code == 503
    metrics = client.get("/metrics")
    assert "circuit_breaker_control_database_up 0" in metrics.content.decode()
    assert b"10.1.2.3" not in health.content + metrics.content


def test_the_exported_schema_is_the_schema() -> None:
    call_command("export_schema", "--check")


def test_an_exported_schema_that_is_out_of_date_fails(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    from circuit_breaker.management.commands import export_schema

    monkeypatch.setattr(export_schema, "FILE", tmp_path / "schema.graphql")  # type: ignore[operator]
    with pytest.raises(CommandError, match="out of date"):
        call_command("export_schema", "--check")


@pytest.mark.django_db
def test_seeding_again_changes_nothing() -> None:
    from circuit_breaker.setup import seed
    from llm.snapshots import configuration_version

    first = seed()
    version = configuration_version()
    assert seed() == first
    assert configuration_version() == version
