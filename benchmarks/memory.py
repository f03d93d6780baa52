"""Row 7: resident memory of one gateway worker: idle, with 1,000 open streams, with 1,000 connections posting 150 KB
each; and whether it stays flat at load.

Each figure is the highest the kernel has seen in a process of its own (VmHWM; idle: VmRSS after one call). The last
part keeps 64 connections busy for `--minutes` and fits a line through the resident size after the first fifth: more
than GROWTH_MB a minute is growth. Runs shorter than two minutes show the slope and do not judge it. The ten-minute
run is `python -m benchmarks.memory --minutes 10`.
"""

import argparse
import asyncio
import statistics
import tempfile
import threading
import time
from pathlib import Path

from benchmarks import measuring, payloads
from benchmarks.stage import GATEWAY, MOCK, stage
from benchmarks.stream_client import Client, open_streams
from benchmarks.wrk import WrkResult, write_script, wrk

GOALS_MB = {"idle": 45.0, "streams": 90.0, "posting": 350.0}
GROWTH_MB = 0.5
JUDGED_FROM_MINUTES = 2.0
CONNECTIONS = 1_000
POSTED_BYTES = 150_000


def main() -> None:
    """Raises SystemExit when a reply was wrong or a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--minutes", type=float, default=0.5, help="at load")
    given, _ = parser.parse_known_args()
    try:
        measuring.need("wrk", "nginx")
    except measuring.Missing as missing:
        print(f"row 7, memory: {missing}")
        return
    megabytes = {"idle": idle(), "streams": streams(), "posting": posting()}
    slope, samples = growth(given.minutes)
    shown = ", ".join(f"{name} {value:.1f} MB (goal ≤ {GOALS_MB[name]:g})" for name, value in megabytes.items())
    judged = given.minutes >= JUDGED_FROM_MINUTES
    print(f"row 7, memory: {shown}; growth {slope:+.2f} MB/minute over {given.minutes:g} minutes (goal < {GROWTH_MB})")
    kept = {"megabytes": megabytes, "goals_megabytes": GOALS_MB, "minutes": given.minutes}
    kept |= {"growth_mb_per_minute": round(slope, 3), "growth_goal": GROWTH_MB, "growth_judged": judged}
    measuring.keep(7, "memory", {**kept, "resident_mb": samples})
    missed = [name for name, value in megabytes.items() if value > GOALS_MB[name]]
    if missed or (judged and slope >= GROWTH_MB):
        raise SystemExit(f"row 7 missed its target: {', '.join(missed) or 'growth'}")


def idle() -> float:
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder, stage(Path(folder)) as running:
        payloads.check_reply(payloads.ask(GATEWAY, payloads.REQUEST))
        time.sleep(1)
        found = megabytes(running.gateway.pid, "VmRSS")
        _booked(running.booked(), 1)
    return found


def streams() -> float:
    """1,000 streams open, each with an event every second."""
    mock = measuring.python("-m", "benchmarks.stream_mock", "--port", str(MOCK), "--events", "10", "--gap", "1")
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder, stage(Path(folder), mock=mock) as running:
        clients = asyncio.run(_hold(CONNECTIONS))
        wrong = [one for one in clients if not b"".join(data for _, data in one.pieces).startswith(b"HTTP/1.1 200")]
        if wrong:
            raise SystemExit(f"row 7: {len(wrong)} streams did not begin")
        found = megabytes(running.gateway.pid, "VmHWM")
        _booked(running.booked(None), CONNECTIONS)
    return found


def posting() -> float:
    """1,000 connections, each posting 150 KB again and again."""
    text = "All work and no play makes a dull day. " * (POSTED_BYTES // 39)
    request = {**payloads.REQUEST, "messages": [{"role": "user", "content": text}]}
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder, stage(Path(folder)) as running:
        script = write_script(Path(folder) / "post.lua", request)
        payloads.check_reply(payloads.ask(GATEWAY, request))
        url = f"http://127.0.0.1:{GATEWAY}/v1/chat/completions"
        done = wrk(url, script, connections=CONNECTIONS, seconds=8)
        found = megabytes(running.gateway.pid, "VmHWM")
        _right(done)
        _booked(running.booked(), done.requests)
    return found


def growth(minutes: float) -> tuple[float, list[float]]:
    """Megabytes a minute after the first fifth, and the resident size at up to 60 moments."""
    seconds = max(5, round(minutes * 60))
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder, stage(Path(folder)) as running:
        script = write_script(Path(folder) / "load.lua", payloads.REQUEST)
        url = f"http://127.0.0.1:{GATEWAY}/v1/chat/completions"
        done: list[WrkResult] = []
        load = threading.Thread(target=lambda: done.append(wrk(url, script, connections=64, seconds=seconds)))
        load.start()
        samples: list[tuple[float, float]] = []
        began = time.monotonic()
        while load.is_alive():
            samples.append(((time.monotonic() - began) / 60, megabytes(running.gateway.pid, "VmRSS")))
            time.sleep(0.5)
        load.join()
        payloads.check_reply(payloads.ask(GATEWAY, payloads.REQUEST))
        _right(done[0])
        _booked(running.booked(), done[0].requests)
    settled = samples[len(samples) // 5 :]
    slope = statistics.linear_regression([at for at, _ in settled], [size for _, size in settled]).slope
    return slope, [size for _, size in samples[:: max(1, len(samples) // 60)]]


def megabytes(process: int, what: str) -> float:
    """A line of the kernel's status file, in MB."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return round(int(line.split()[1]) / 1024, 1)
    raise RuntimeError(f"no {what} of process {process}: row 7 needs Linux")


async def _hold(count: int) -> list[Client]:
    """Open them all; each lasts ten seconds, so that for some of them all are open."""
    clients = await open_streams(GATEWAY, count, wait=False)
    await asyncio.wait([one.ended for one in clients], timeout=30)
    for one in clients:
        one.transport.close()
    return clients


def _right(done: WrkResult) -> None:
    if done.errors or done.reply_bytes < len(payloads.BODY):
        raise SystemExit(f"row 7: wrong replies; the figures count as nothing: {done}")


def _booked(booked: int, answered: int) -> None:
    if booked < answered:
        raise SystemExit(f"row 7: {answered:,} calls were answered, only {booked:,} booked")


if __name__ == "__main__":
    main()
