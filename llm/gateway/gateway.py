"""What the calls of one worker share: configuration, journal, calling side, counters. Passed along, never global.

The configuration is swapped whole: a call takes `catalogue` once and keeps it to its end. Until the first snapshot
has come, `configured` waits a little and then refuses with 503; after that the worker serves on from its last
snapshot whatever happens to the control plane. `status` says what is degraded. Next file: `pipeline.py`, one call
from top to bottom.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from msgspec import Raw

from billing.core.keys import Limits
from llm.core.deployment import Deployment, header_value
from llm.core.dialects.registry import DIALECTS
from llm.core.errors import Unavailable
from llm.core.model_list import ModelList
from llm.core.routing import Catalogue
from llm.core.snapshot import Provider, ProviderKey, Snapshot
from llm.core.uplink import Observation
from llm.gateway import compiled, in_flight
from llm.gateway.admission import Admission
from llm.gateway.images import ImageFetcher
from llm.gateway.journal import Journal
from llm.gateway.limiter import Limiter
from llm.gateway.metrics import Metrics, process_gauges
from llm.gateway.origin import Origin, read_url
from llm.gateway.replay import ReplayStore
from llm.gateway.settings import Settings
from llm.gateway.shared_metrics import SharedMetrics
from llm.gateway.upstream import Upstream

SNAPSHOT_WAIT_SECONDS = 10.0
MAX_WEIGHT = 100
MAX_HEADS = 1_000
"""Heads kept per route. A wire whose paths hold model names may have many; beyond this all are made anew."""
MAX_ASKED = 5_000


class Route:
    """Where calls of one provider with one key go, and the heads of their requests as bytes, by path."""

    __slots__ = ("_base", "_heads", "_lines", "key", "origin", "sandbox", "secret")

    def __init__(self, provider: Provider, key: ProviderKey | None) -> None:
        self.key = key
        self.secret = key.secret if key is not None else None
        self.sandbox = provider.provider_type == "sandbox"
        self.origin: Origin
        self.origin, self._base = read_url(provider.base_url.rstrip("/"))
        default_port = 443 if self.origin.tls else 80
        host = f"[{self.origin.host}]" if ":" in self.origin.host else self.origin.host
        fields = {
            "host": host if self.origin.port == default_port else f"{host}:{self.origin.port}",
            "user-agent": "circuit-breaker",
            "accept": "*/*",
            "content-type": "application/json",
            **{name.lower(): value for name, value in provider.headers.items()},
            **DIALECTS[provider.dialect].credentials(provider, key),
        }
        self._lines = b"\r\n".join([f"{name}: ".encode() + header_value(value) for name, value in fields.items()])
        self._heads: dict[str, bytes] = {}

    def head(self, path: str) -> bytes:
        """The head of a request to `path` below the provider's base URL, up to the value of its content-length."""
        found = self._heads.get(path)
        if found is None:
            if len(self._heads) >= MAX_HEADS:
                self._heads.clear()
            target, _, query = self._base.partition("?")
            whole = target.rstrip("/") + path + ("&" if "?" in path else "?") * bool(query) + query
            found = b"POST " + header_value(whole) + b" HTTP/1.1\r\n" + self._lines + b"\r\ncontent-length: "
            self._heads[path] = found
        return found


class Gateway:
    """See the header."""

    def __init__(self, settings: Settings, journal: Journal) -> None:
        self.settings = settings
        self.journal = journal
        self.upstream = Upstream(
            settings.bounds, ca_file=settings.provider_ca_file, proxies=settings.proxies, http2=settings.provider_http2
        )
        self.images = ImageFetcher(settings, self.upstream.new_tls)
        self.metrics = Metrics()
        self.shared_metrics = SharedMetrics(journal, self.metrics)
        self.loop_lag = 0.0
        """Seconds the last timer was late."""
        self.loop = asyncio.get_running_loop()
        quickest = min(settings.keep_alive_seconds, settings.head_seconds, settings.grace_seconds or 1.0, 2.0)
        self.replays = ReplayStore(
            settings.replay_bytes, settings.replay_total_bytes, settings.replay_seconds, quickest / 2
        )
        self.admission = Admission(
            settings.api_key_required, settings.uplink_secret, Limits(settings.rate_limit, burst=settings.burst)
        )
        self.limiter = Limiter(self.loop)
        self.catalogue: Catalogue | None = None
        self.models: ModelList | None = None
        self.connections: Callable[[], int] = lambda: 0
        self.uplink_connected: Callable[[], bool] = lambda: False
        self._routes: dict[str, tuple[Provider, tuple[Route, ...]]] = {}
        self._turns: dict[str, int] = {}
        self._asked: dict[Deployment, Raw] = {}
        self._first_snapshot = asyncio.Event()
        self.idle = asyncio.Event()
        """Set when the last call under way has ended."""

    def configure(self, snapshot: Snapshot) -> None:
        """Serve by this snapshot from the next call on."""
        catalogue = Catalogue(snapshot)
        self.admission.configure(snapshot)
        self.models = ModelList(catalogue)
        self._routes = {}
        self._asked = {}
        self.catalogue = catalogue
        self._first_snapshot.set()

    async def configured(self) -> Catalogue:
        """The configuration, once there is one. Raises Unavailable after SNAPSHOT_WAIT_SECONDS."""
        if self.catalogue is None:
            try:
                # In a task of its own: a conducted coroutine has none, and a time-out needs one.
                await asyncio.ensure_future(asyncio.wait_for(self._first_snapshot.wait(), SNAPSHOT_WAIT_SECONDS))
            except TimeoutError:
                raise Unavailable("The control plane gave no configuration yet.", 5, "no_configuration") from None
        assert self.catalogue is not None
        return self.catalogue

    def admit(self) -> None:
        """Raises Unavailable when this worker must not take another call."""
        if self.metrics.in_flight > self.settings.max_concurrent:
            raise Unavailable("Too many requests are under way; try again shortly.", 1, "overloaded")
        if not self.journal.accepting:
            raise Unavailable("Calls cannot be recorded: the journal is full or failing.", 10, "journal_full")

    def ended(self) -> None:
        """A call has ended, whichever way."""
        self.metrics.in_flight -= 1
        if self.metrics.in_flight == 0:
            self.idle.set()

    def routes(self, deployment: Deployment) -> tuple[Route, ...]:
        """A deployment's routes, one per key, beginning with the key whose turn it is (by weight)."""
        provider = deployment.provider
        cached = self._routes.get(provider.name)
        if cached is not None and cached[0] is provider:
            found = cached[1]
        else:  # none yet, or another snapshot's: a call that began before an edit may still ask by the old one
            weighted: list[ProviderKey | None] = []
            for one in provider.keys:
                weighted += [one] * max(1, min(one.weight, MAX_WEIGHT))
            weighted = weighted or [None]
            made = {key.id if key else "": Route(provider, key) for key in weighted}
            found = tuple(made[key.id if key else ""] for key in weighted)
            self._routes[provider.name] = (provider, found)
        if len(found) == 1:
            return found
        turn = self._turns[provider.name] = (self._turns.get(provider.name, -1) + 1) % len(found)
        return tuple(dict.fromkeys(found[turn:] + found[:turn]))

    def asked(self, deployment: Deployment) -> Raw:
        """What the register says of a deployment, encoded once."""
        found = self._asked.get(deployment)
        if found is None:
            if len(self._asked) >= MAX_ASKED:  # names with directives make deployments of their own
                self._asked.clear()
            model = deployment.model
            found = self._asked[deployment] = in_flight.asked(deployment.provider.name, model.id, model.price)
        return found

    def status(self) -> dict[str, Any]:
        """What `/health` says."""
        catalogue = self.catalogue
        problems = []
        if catalogue is None:
            problems.append("no configuration yet")
        elif not catalogue.deployments:
            problems.append("no provider is configured")
        if not self.uplink_connected():
            problems.append("the control plane is not connected")
        if not self.journal.accepting:
            problems.append("the journal takes no more calls")
        if self.journal.refused:
            problems.append(f"{self.journal.refused} records could not be booked; see refused.jsonl in the journal")
        age = None if catalogue is None else round((time.time_ns() - catalogue.taken_at) / 1e9, 3)
        return {
            "status": "degraded" if problems else "ok",
            "problems": problems,
            "gateway": self.settings.name,
            "compiled": compiled.active,
            "uplink": {"connected": self.uplink_connected()},
            "snapshot": {"version": catalogue.version if catalogue else None, "age_seconds": age},
            "journal": {"lag": self.journal.lag, "bytes": self.journal.size, "accepting": self.journal.accepting},
            "in_flight": self.metrics.in_flight,
        }

    def scrape(self, only_own: bool) -> bytes:
        """What `/metrics` says."""
        return self.shared_metrics.render(self.gauges(), only_own=only_own)

    def gauges(self) -> dict[str, float]:
        """This worker's, as they are now."""
        catalogue = self.catalogue
        gauges = {
            "in_flight": float(self.metrics.in_flight),
            "connections": float(self.connections()),
            "journal_lag": float(self.journal.lag),
            "journal_bytes": float(self.journal.size),
            "records_set_aside": float(self.journal.refused),
            "streams_open": float(len(self.replays.live)),
            "streams_unattended": float(self.replays.unattended),
            "replay_bytes": float(self.replays.size),
            "uplink_connected": float(self.uplink_connected()),
            "event_loop_lag_seconds": self.loop_lag,
        }
        if catalogue is not None:
            gauges["snapshot_age_seconds"] = (time.time_ns() - catalogue.taken_at) / 1e9
        return gauges | process_gauges()

    def observation(self) -> Observation:
        """The counters for the control plane."""
        metrics = self.metrics
        requests, errors, latency_us = metrics.totals()
        return Observation(
            started_at=metrics.started_at,
            at=time.time_ns(),
            requests=requests,
            errors=errors,
            in_flight=metrics.in_flight,
            connections=self.connections(),
            latency_us_total=latency_us,
            journal_lag=self.journal.lag,
            providers=metrics.figures(),
        )
