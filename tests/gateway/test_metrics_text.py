"""`/metrics` as Prometheus' own parser reads it, after calls of several kinds."""

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from billing.core.keys import Limits
from tests.gateway.client import CHAT, get, post
from tests.gateway.conftest import Running
from tests.gateway.control import snapshot
from tests.gateway.provider import DONE, chunk, stream, usage_chunk, whole
from tests.gateway.test_admission import SIGNED, a_key, grant

ODD = 'say "hi"\\ and\nmore'


async def scraped(gateway: Running) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Samples by name and labels."""
    answer = await gateway.ask(get("/metrics"), "GET")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(answer.body.decode()):
        assert family.documentation
        assert family.type in ("counter", "gauge", "histogram")
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            assert labels not in found.setdefault(sample.name, {}), f"{sample.name}{labels} twice"
            found[sample.name][labels] = sample.value
    return found


def the(samples: dict[tuple[tuple[str, str], ...], float], **labels: str) -> float:
    """The sum of the samples with these labels."""
    return sum(value for key, value in samples.items() if labels.items() <= dict(key).items())


async def test_prometheus_own_parser_reads_it(gateway: Running) -> None:
    new = snapshot(gateway.provider.url, 2)
    odd = msgspec.structs.replace(new.models[0], id=ODD)
    await gateway.configure(msgspec.structs.replace(new, models=(*new.models, odd)))
    await gateway.ask(post())
    await gateway.ask(post({**CHAT, "model": ODD}))
    await gateway.ask(post({"model": "gpt-4", "prompt": "Hi"}, "/v1/completions"))
    gateway.provider.answers = [stream(chunk("Hi"), chunk(None, "stop"), usage_chunk(), DONE)]
    await gateway.ask(post({**CHAT, "stream": True}))
    gateway.provider.answers = [whole({"error": {"message": "no"}}, 500)]
    await gateway.ask(post())
    found = await scraped(gateway)
    calls = found["circuit_breaker_requests_total"]
    assert the(calls, operation="chat_completions", status="200") == 3
    assert the(calls, operation="chat_completions", status="500") == 1
    assert the(calls, model=ODD) == 1, "a name with quotes and line ends is read back as it is"
    assert the(found["circuit_breaker_tokens_total"], kind="output") > 0
    times = found["gen_ai_server_request_duration_seconds_bucket"]
    assert the(times, gen_ai_operation_name="chat", le="+Inf") == 4
    assert the(found["gen_ai_server_request_duration_seconds_count"], gen_ai_operation_name="chat") == 4
    assert the(found["gen_ai_server_time_to_first_token_seconds_count"], gen_ai_operation_name="chat") == 1
    (build,) = found["circuit_breaker_build_info"]
    assert {name for name, _ in build} == {"version", "python", "compiled"}


async def test_refusals_say_why_and_429_which_limit(gateway: Running) -> None:
    async def refused_for(limits: Limits, version: int, **members: object) -> None:
        await grant(gateway, a_key(limits=limits), version=version)
        statuses = {(await gateway.ask(post({**CHAT, **members}, **SIGNED))).status for _ in range(2)}
        assert 429 in statuses

    await refused_for(Limits(requests_per_minute=1), 2)
    await refused_for(Limits(tokens_per_minute=50), 3, max_tokens=100)
    await gateway.ask(post({**CHAT, "model": "nobody's"}))
    await gateway.ask(post(Authorization="Bearer cb-nonsense"))
    refused = (await scraped(gateway))["circuit_breaker_refused_total"]
    assert the(refused, status="429", reason="requests") == 1
    assert the(refused, status="429", reason="tokens") == 2
    assert the(refused, status="404", reason="model_not_found") == 1
    assert the(refused, status="401", reason="invalid_api_key") == 1
