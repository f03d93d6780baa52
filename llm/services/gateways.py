"""What running gateways say of themselves, one row each, for `health`, `metrics` and the admin.

Gateways send counters that only grow while they live. To tell recent rates from old history the row also keeps two
marks of them, moved on every minute: recent means since the older mark, the last one to two minutes. A gateway that
restarted (another start time) starts with empty marks. These rows are no configuration: no version is raised.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction

from llm.core.uplink import Hello, Observation
from llm.models import GatewayState

MARK_SECONDS = 60.0
MOST_PROVIDERS = 200
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def connect_gateway(hello: Hello, now: datetime) -> None:
    """A gateway said hello."""
    GatewayState.objects.update_or_create(
        gateway=hello.gateway,
        defaults={
            "pid": hello.pid,
            "version": hello.version[:50],
            "snapshot_version": hello.snapshot_version,
            "connected": True,
            "seen_at": now,
        },
    )


def disconnect_gateway(gateway: str, pid: int) -> None:
    """Its socket closed. Nothing happens when a successor, another process, has connected since."""
    GatewayState.objects.filter(gateway=gateway, pid=pid).update(connected=False)


def observe_gateway(gateway: str, seen: Observation, snapshot_version: int, now: datetime) -> None:
    """Keep the latest counters and gauges, and move the marks on when they are due. One transaction."""
    counters = _counters(seen)
    with transaction.atomic():
        state = GatewayState.objects.select_for_update().filter(gateway=gateway).first()
        state = state or GatewayState(gateway=gateway)
        started = EPOCH + timedelta(microseconds=seen.started_at // 1000)
        if state.started_at != started or not state.older_mark:
            state.older_mark = state.newer_mark = _empty_mark(seen)
        elif counters["at"] - state.newer_mark["at"] >= MARK_SECONDS:
            state.older_mark, state.newer_mark = state.newer_mark, counters
        state.counters = counters
        state.started_at = started
        state.seen_at = now
        state.connected = True
        state.snapshot_version = snapshot_version
        state.requests, state.errors = seen.requests, seen.errors
        state.in_flight, state.connections = seen.in_flight, seen.connections
        state.latency_us_total, state.journal_lag = seen.latency_us_total, seen.journal_lag
        state.save()


def forget_gateways(gateways: list[str]) -> None:
    """Remove the rows of gateways that are no more; one that still runs comes back by itself."""
    GatewayState.objects.filter(gateway__in=gateways).delete()


def _counters(seen: Observation) -> dict[str, Any]:
    providers = sorted(seen.providers.items())[:MOST_PROVIDERS]
    return {
        "at": seen.at / 1e9,
        "requests": seen.requests,
        "errors": seen.errors,
        "latency_us": seen.latency_us_total,
        "providers": {name: [row.requests, row.errors, row.latency_us_total] for name, row in providers},
    }


def _empty_mark(seen: Observation) -> dict[str, Any]:
    return {"at": seen.started_at / 1e9, "requests": 0, "errors": 0, "latency_us": 0, "providers": {}}
