"""`/metrics` answers for all workers of one port, and its sums never fall."""

import re
from pathlib import Path

from llm.gateway.journal import Journal
from llm.gateway.metrics import Metrics
from llm.gateway.shared_metrics import SharedMetrics
from tests.gateway.client import ask, get, post
from tests.gateway.conftest import Running
from tests.gateway.control import Control
from tests.gateway.processes import start
from tests.gateway.provider import Provider, whole
from tests.gateway.test_journal import record


def calls(text: bytes) -> int:
    return sum(map(int, re.findall(rb"^circuit_breaker_requests_total\{.*\} (\d+)$", text, re.MULTILINE)))


def worker(folder: Path) -> tuple[Journal, Metrics, SharedMetrics]:
    journal, metrics = Journal(folder), Metrics()
    shared = SharedMetrics(journal, metrics)
    shared.inherit()
    return journal, metrics, shared


async def test_a_scrape_answers_for_siblings_and_for_slots_that_are_no_more(tmp_path: Path) -> None:
    first = worker(tmp_path / "gateway-0")
    second = worker(tmp_path / "gateway-1")
    for journal, metrics, shared in (first, second, second):
        one = record(journal.next_number)
        metrics.count_call(one)
        journal.append(one)
        shared.save({"in_flight": 4})
    assert calls(first[2].render({"in_flight": 1})) == 3
    assert calls(first[2].render({"in_flight": 1}, only_own=True)) == 1
    text = first[2].render({"in_flight": 1})
    assert b'circuit_breaker_in_flight{worker="gateway-0"} 1\ncircuit_breaker_in_flight{worker="gateway-1"} 4' in text
    second[2].save({})
    await second[0].close()
    assert calls(first[2].render({})) == 3, "a removed slot keeps counting"
    await first[0].close()


async def test_after_kill_9_the_sums_go_on_and_count_each_call_once(
    tmp_path: Path, provider: Provider, control: Control
) -> None:
    control.acknowledging = False
    for life in range(1, 4):
        async with start(control, tmp_path) as process:
            for _ in range(3):
                assert (await ask(process.port, post())).status == 200
            if life == 2:  # what was scraped is no less later
                assert calls((await ask(process.port, get("/metrics"))).body) == 6
            process.kill()
            await process.ended()
    async with start(control, tmp_path) as process:
        assert calls((await ask(process.port, get("/metrics"))).body) == 9


async def test_failed_attempts_are_counted_by_kind(gateway: Running) -> None:
    gateway.provider.answers = [whole({"error": {"message": "no"}}, 400)]
    await gateway.ask(post())
    text = (await gateway.ask(get("/metrics"))).body.decode()
    assert 'circuit_breaker_upstream_errors_total{provider="acme",kind="status"} 1' in text
    assert re.search(r'circuit_breaker_resident_memory_bytes\{worker="gateway-0"\} \d+', text)
