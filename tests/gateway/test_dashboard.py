"""The Grafana dashboard asks only for metrics that `/metrics` has."""

import json
import re
from pathlib import Path

from tests.gateway.client import CHAT, get, post
from tests.gateway.conftest import Running
from tests.gateway.provider import DONE, chunk, stream

DASHBOARD = Path(__file__).resolve().parents[2] / "deploy/grafana/circuit-breaker.json"


async def test_every_query_names_a_metric_that_is_there(gateway: Running) -> None:
    await gateway.ask(post())
    gateway.provider.answers = [stream(chunk("Hi"), chunk(None, "stop"), DONE)]
    await gateway.ask(post({**CHAT, "stream": True}))
    text = (await gateway.ask(get("/metrics"))).body.decode()
    there = set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE)) | set(
        re.findall(r"^(\w+)(?:\{| )", text, re.MULTILINE)
    )
    panels = json.loads(DASHBOARD.read_text())["panels"]
    asked = {
        name
        for panel in panels
        for name in re.findall(r"(?:circuit_breaker|gen_ai_server)_\w+", panel["targets"][0]["expr"])
    }
    assert len(asked) > 10
    assert asked - there == set()
