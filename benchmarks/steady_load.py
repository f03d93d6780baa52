"""An open-loop load generator: requests leave at set moments, whether earlier ones have been answered or not.

A latency counts from the moment its request was due, not from when it was sent, so a server that stalls is charged
for all requests the stall held up (no coordinated omission). One thread, plain sockets, a kernel timer of a
microsecond's slack; how late the generator itself was is part of the result. Replies are compared byte for byte with
the body expected.
"""

import ctypes
import json
import select
import socket
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from benchmarks.payloads import KEY, WrongReply

PR_SET_TIMERSLACK = 29
SPIN_SECONDS = 0.00003
"""The last stretch before a request is due is not slept through."""
GIVE_UP_SECONDS = 10.0


class SteadyResult(msgspec.Struct, frozen=True):
    """One run. Times in milliseconds, sorted."""

    latencies: list[float]
    lateness: list[float]
    """How long after it was due each request was sent."""


def percentile(values: Sequence[float], part: float) -> float:
    """Of a sorted sequence."""
    return values[min(len(values) - 1, int(len(values) * part))]


def steady(
    port: int, request: Mapping[str, Any], body: bytes, *, rate: float, seconds: float, connections: int = 32
) -> SteadyResult:
    """Send `rate` requests a second; raises WrongReply if an answer is not `body` or does not come."""
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1000)  # nanoseconds; Linux only, elsewhere the lateness shows it
    message = _message(port, request)
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
    for one in sockets:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        return _run(deque(sockets), message, body, int(rate * seconds), 1 / rate)
    finally:
        for one in sockets:
            one.close()


def _run(idle: "deque[socket.socket]", message: bytes, body: bytes, count: int, gap: float) -> SteadyResult:
    clock = time.perf_counter
    due_of: dict[socket.socket, float] = {}
    parts: dict[socket.socket, bytes] = {}
    latencies: list[float] = []
    lateness: list[float] = []
    start = clock() + 0.05
    sent = 0
    while len(latencies) < count:
        due = start + sent * gap
        now = clock()
        if sent < count and due - now <= SPIN_SECONDS and idle:  # none idle: it is sent late, and counted from `due`
            while clock() < due:
                pass
            one = idle.popleft()
            lateness.append((clock() - due) * 1000)
            one.sendall(message)
            due_of[one] = due
            sent += 1
            continue
        if now - start > count * gap + GIVE_UP_SECONDS:
            raise WrongReply(f"{count - len(latencies)} of {count} requests had no answer")
        wait = max(0.0, due - now - SPIN_SECONDS) if sent < count and idle else 0.1
        for one in select.select(due_of, (), (), wait)[0] if due_of else _sleep(wait):
            came = parts.pop(one, b"") + one.recv(65536)
            if not came.endswith(body):
                if len(came) > len(body) + 4096 or not came:
                    raise WrongReply(f"a wrong reply: {came[:300]!r}")
                parts[one] = came
                continue
            latencies.append((clock() - due_of.pop(one)) * 1000)
            if not came.startswith(b"HTTP/1.1 200"):
                raise WrongReply(f"a wrong reply: {came[:300]!r}")
            idle.append(one)
    return SteadyResult(sorted(latencies), sorted(lateness))


def _sleep(seconds: float) -> list[socket.socket]:
    time.sleep(seconds)
    return []


def _message(port: int, request: Mapping[str, Any]) -> bytes:
    body = json.dumps(request).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
