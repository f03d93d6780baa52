"""What `/metrics` says, as Prometheus text. Names are those of OpenTelemetry's GenAI conventions where there is one.

Sources: https://prometheus.io/docs/instrumenting/exposition_formats/ and
https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/ (a dot becomes `_`, the unit goes to the end).
"""

import platform
from collections.abc import Mapping

from llm.gateway import compiled
from llm.gateway.metrics import GAUGES, TOKEN_KINDS, Histogram, Metrics

OWN = "circuit_breaker_"
GENAI_OPERATIONS = {
    "chat completions": "chat",
    "responses": "chat",
    "messages": "chat",
    "completions": "text_completion",
    "content generation": "generate_content",
}
"""`gen_ai.operation.name` of ours, where it is another word."""


def render(metrics: Metrics, workers: Mapping[str, Mapping[str, float]], version: str) -> bytes:
    """`workers`: name → gauges of `GAUGES`."""
    lines: list[str] = []
    _family(lines, f"{OWN}build_info", "gauge", "Always 1: what runs here.")
    made = {"version": version, "python": platform.python_version(), "compiled": str(compiled.active).lower()}
    lines.append(f"{OWN}build_info{_labels(**made)} 1")
    _counters(lines, metrics)
    _times(lines, "gen_ai_server_request_duration_seconds", "Whole calls.", metrics.latency)
    about = "Streams: until the first byte of the answer."
    _times(lines, "gen_ai_server_time_to_first_token_seconds", about, metrics.first_byte)
    _family(lines, f"{OWN}overhead_seconds", "histogram", "Time spent in the gateway itself.")
    _histogram(lines, f"{OWN}overhead_seconds", metrics.overhead)
    for name, about in GAUGES.items():
        _family(lines, OWN + name, "gauge", about)
        for worker, gauges in workers.items():
            if name in gauges:
                lines.append(f"{OWN}{name}{_labels(worker=worker)} {gauges[name]:.10g}")
    return ("\n".join(lines) + "\n").encode()


def _counters(lines: list[str], metrics: Metrics) -> None:
    series = [(_of(*key), one) for key, one in metrics.series.items()]
    _family(lines, f"{OWN}requests_total", "counter", "Metered calls by provider, model, status and operation.")
    lines += [f"{OWN}requests_total{_labels(**key)} {one.calls}" for key, one in series]
    _family(lines, f"{OWN}refused_total", "counter", "Requests answered with an error before any provider was called.")
    for (status, reason), count in metrics.refused.items():
        lines.append(f"{OWN}refused_total{_labels(status=str(status), reason=reason)} {count}")
    _family(lines, f"{OWN}upstream_errors_total", "counter", "Attempts at a provider that failed, by kind.")
    for (provider, kind), count in metrics.upstream_errors.items():
        lines.append(f"{OWN}upstream_errors_total{_labels(provider=provider, kind=kind)} {count}")
    _family(lines, f"{OWN}tokens_total", "counter", "Tokens by kind.")
    for key, one in series:
        for kind, tokens in zip(TOKEN_KINDS, one.tokens, strict=True):
            if tokens:
                lines.append(f"{OWN}tokens_total{_labels(**key, kind=kind)} {tokens}")
    _family(lines, f"{OWN}cost_usd_total", "counter", "Cost of metered calls.")
    lines += [f"{OWN}cost_usd_total{_labels(**key)} {one.cost_nano / 1e9:.9f}" for key, one in series]


def _of(provider: str, model: str, status: int, operation: str) -> dict[str, str]:
    return {"provider": provider, "model": model, "status": str(status), "operation": operation.replace(" ", "_")}


def _times(lines: list[str], name: str, about: str, histograms: Mapping[str, Histogram]) -> None:
    """By `gen_ai.operation.name`: several of our operations may be one of that."""
    joined: dict[str, Histogram] = {}
    for operation, histogram in histograms.items():
        word = GENAI_OPERATIONS.get(operation, operation.replace(" ", "_"))
        found = joined.setdefault(word, Histogram(histogram.bounds))
        found.counts = [one + other for one, other in zip(found.counts, histogram.counts, strict=True)]
        found.total += histogram.total
    _family(lines, name, "histogram", about)
    for word, histogram in joined.items():
        _histogram(lines, name, histogram, gen_ai_operation_name=word)


def _family(lines: list[str], name: str, kind: str, about: str) -> None:
    lines += [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]


def _histogram(lines: list[str], name: str, histogram: Histogram, **labels: str) -> None:
    below = 0
    for bound, count in zip((*map(str, histogram.bounds), "+Inf"), histogram.counts, strict=True):
        below += count
        lines.append(f"{name}_bucket{_labels(**labels, le=bound)} {below}")
    own = _labels(**labels)
    lines += [f"{name}_sum{own} {histogram.total / 1e6:.6f}", f"{name}_count{own} {below}"]


def _labels(**labels: str) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items()) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
