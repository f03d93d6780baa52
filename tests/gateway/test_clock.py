"""The system's clock may be set back during a call: no record ends before it began, and no sum of `/metrics` falls."""

import re
from pathlib import Path

from tests.gateway.client import CHAT, ask, get, post
from tests.gateway.control import Control
from tests.gateway.processes import start
from tests.gateway.provider import DONE, Provider, chunk, stream, usage_chunk, whole

BACKWARDS = "import time; began, real = time.time_ns(), time.time_ns; time.time_ns = lambda: 2 * began - real()"


async def test_a_clock_that_runs_backwards_makes_no_negative_times(
    tmp_path: Path, provider: Provider, control: Control
) -> None:
    provider.answers = [whole(), stream(chunk("x"), chunk(None, "stop"), usage_chunk(), DONE)]
    async with start(control, tmp_path, BACKWARDS) as process:
        assert (await ask(process.port, post())).status == 200
        assert (await ask(process.port, post({**CHAT, "stream": True}))).status == 200
        text = (await ask(process.port, get("/metrics"))).body.decode()
        records = await control.wait_for_records(2)
    assert [one.finished_at for one in records] == [one.started_at for one in records]
    assert records[1].first_byte_at == records[1].started_at
    sums = re.findall(r"_seconds_sum(?:\{[^}]*\})? (\S+)", text)
    assert len(sums) >= 3
    assert all(float(one) >= 0 for one in sums)
    assert 'circuit_breaker_records_set_aside{worker="gateway-0"} 0' in text
