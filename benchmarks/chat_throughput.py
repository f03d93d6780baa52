"""Row 1: whole chat completions per second through one gateway worker, against nginx as a reverse proxy.

Both proxy to the same mock (another nginx that returns one fixed completion), with 64 connections, on the same cores
as the load generator, taking turns. The gateway has everything on: routing, journal, uplink to a control plane that
acknowledges, metrics. Every reply is checked: status and size by wrk, and each call must be booked, at its price, by
the control plane.
"""

import argparse
import json
import statistics
import tempfile
import urllib.request
from contextlib import ExitStack
from pathlib import Path

from benchmarks import measuring
from benchmarks.measuring import WrkResult

MOCK, PROXY, GATEWAY, CONTROL = 3110, 3111, 3112, 3113
TARGET, GOAL = 0.25, 0.40
UNIT_COST = 19 * 30_000 + 10 * 60_000
"""Nano-dollars of one mock reply at the stand-in control plane's price."""
REPLY = {
    "id": "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG",
    "object": "chat.completion",
    "created": 1741570283,
    "model": "gpt-4-0613",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello! How can I help you today?", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {
        "prompt_tokens": 19,
        "completion_tokens": 10,
        "total_tokens": 29,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    },
}
REQUEST = {
    "model": "gpt-4",
    "messages": [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "Hello! Tell me about the weather, and be brief about it."},
    ],
}


def main() -> None:
    """Print both figures and the ratio; raises SystemExit when a reply was wrong or the target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chat_throughput", description=__doc__)
    parser.add_argument("--seconds", type=int, default=4, help="of each round")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--connections", type=int, default=64)
    given, _ = parser.parse_known_args()
    try:
        measuring.need("wrk", "nginx")
    except measuring.Missing as missing:
        print(f"row 1, chat throughput: {missing}")
        return
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        results, booked = measure(Path(folder), given.seconds, given.rounds, given.connections)
    report(results, booked, given.connections)


def measure(folder: Path, seconds: int, rounds: int, connections: int) -> tuple[dict[str, list[WrkResult]], int]:
    """All rounds, and how many calls the control plane booked."""
    script = folder / "request.lua"
    script.write_text(
        "wrk.method = 'POST'\nwrk.headers['Content-Type'] = 'application/json'\n"
        f"wrk.headers['Authorization'] = 'Bearer not-needed'\nwrk.body = [[{json.dumps(REQUEST)}]]\n"
    )
    environment = {
        "OPENAI_PORT": str(GATEWAY),
        "UPLINK_URL": f"ws://127.0.0.1:{CONTROL}/uplink",
        "UPLINK_SECRET": "uplink-secret-for-tests",
        "JOURNAL_DIR": str(folder / "journal"),
        "LOG_LEVEL": "warning",
    }
    with ExitStack() as stack:
        stack.enter_context(measuring.nginx(folder / "mock", _mock()))
        stack.enter_context(measuring.nginx(folder / "proxy", _proxy()))
        upstream = f"http://127.0.0.1:{MOCK}/v1"
        control = stack.enter_context(
            measuring.running(
                measuring.python("-m", "tests.gateway.control", "--port", str(CONTROL), "--upstream", upstream)
            )
        )
        gateway = stack.enter_context(measuring.running(measuring.python("-m", "llm.gateway"), environment))
        for port in (MOCK, PROXY, GATEWAY, CONTROL):
            measuring.wait_for_port(port)
        contenders = {"nginx": PROXY, "gateway": GATEWAY}
        for port in contenders.values():
            _check_reply(port)
        results = measuring.alternate(
            {
                name: lambda port=port: measuring.wrk(  # type: ignore[misc]
                    f"http://127.0.0.1:{port}/v1/chat/completions", script, connections=connections, seconds=seconds
                )
                for name, port in contenders.items()
            },
            rounds,
        )
        for port in contenders.values():
            _check_reply(port)
        gateway.terminate()  # its last records are handed over before it ends
        gateway.wait(timeout=30)
        control.terminate()
        said, _ = control.communicate(timeout=30)
    told = json.loads(said.splitlines()[-1])
    if told["cost_nano"] != told["booked"] * UNIT_COST:
        raise SystemExit(f"The calls were booked at a wrong price: {told}.")
    return results, told["booked"]


def report(results: dict[str, list[WrkResult]], booked: int, connections: int) -> None:
    """Print, write the dated result, and refuse figures that rest on wrong replies."""
    rates = {name: statistics.median(one.rate for one in runs) for name, runs in results.items()}
    ratio = rates["gateway"] / rates["nginx"]
    figures = {
        name: {
            "requests_per_second": round(rates[name]),
            "rounds": [round(one.rate) for one in runs],
            "p50_ms": round(statistics.median(one.p50 for one in runs), 3),
            "p99_ms": round(statistics.median(one.p99 for one in runs), 3),
            "errors": sum(one.errors for one in runs),
        }
        for name, runs in results.items()
    }
    for name, shown in figures.items():
        print(
            f"{name:8} {shown['requests_per_second']:>7,} requests/s   "
            f"p50 {shown['p50_ms']} ms   p99 {shown['p99_ms']} ms"
        )
    print(
        f"row 1, chat throughput, {connections} connections: gateway / nginx = {ratio:.2f} (goal {GOAL}); "
        f"{booked:,} booked"
    )
    answered = sum(one.requests for one in results["gateway"])
    if any(shown["errors"] for shown in figures.values()):
        raise SystemExit(f"Wrong replies count as nothing: {figures}")
    if booked < answered:
        raise SystemExit(f"{answered:,} calls were answered, only {booked:,} booked.")
    path = measuring.write_result(
        1,
        "chat-throughput",
        {"connections": connections, "contenders": figures, "ratio": round(ratio, 3), "goal": GOAL},
    )
    print(f"written to {path.relative_to(measuring.ROOT)}")
    if ratio < TARGET:
        raise SystemExit(f"The ratio {ratio:.2f} is below {TARGET}.")


def _mock() -> str:
    reply = json.dumps(REPLY, separators=(",", ":"))
    return (
        f"server {{ listen 127.0.0.1:{MOCK} backlog=4096; location / {{ default_type application/json; "
        f"return 200 '{reply}'; }} }}"
    )


def _proxy() -> str:
    return (
        f"upstream mock {{ server 127.0.0.1:{MOCK}; keepalive 256; keepalive_requests 1000000000; }} "
        f"server {{ listen 127.0.0.1:{PROXY} backlog=4096; location / {{ proxy_pass http://mock; "
        'proxy_http_version 1.1; proxy_set_header Connection ""; } }'
    )


def _check_reply(port: int) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/chat/completions",
        json.dumps(REQUEST).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=15) as reply:
        if json.load(reply) != REPLY:
            raise SystemExit(f"Port {port} gave a wrong reply.")


if __name__ == "__main__":
    main()
