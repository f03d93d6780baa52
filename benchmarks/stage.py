"""The set every gateway row plays on: a mock provider, one gateway worker with everything on, its control plane.

The load shows a key of ours, on requests, tokens and concurrent calls of which there are limits, and the gateway lets
nobody in without one. The mock is nginx with fixed answers (fast enough to be no limit) or, for streams that take
their time, `stream_mock.py`. The control plane is a small one of our own that leases limits with the real keeper and
acknowledges what is booked. `Stage.booked()` ends the gateway, so that its last records are handed over, and checks
count, price and key.
"""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks import measuring, payloads
from benchmarks.payloads import BODY, KEY, UNIT_COST, stream_body

MOCK, PROXY, GATEWAY, CONTROL, PEER = 3110, 3111, 3112, 3113, 3114


class Stage:
    """What runs. Get one from `stage`."""

    def __init__(
        self, gateway: "subprocess.Popen[str]", control: "subprocess.Popen[str]", mock: "subprocess.Popen[str]"
    ) -> None:
        self.gateway = gateway
        self.mock = mock
        self._control = control

    def booked(self, unit_cost: int | None = UNIT_COST) -> int:
        """End the gateway; how many calls the control plane has booked. SystemExit if at a wrong price or key.

        Only calls answered whole are priced and returned, for those that the load generator cuts when its time is up
        are booked by estimate; without `unit_cost` all are returned, at whatever price.
        """
        self.gateway.terminate()
        self.gateway.wait(timeout=40)
        self._control.terminate()
        said, _ = self._control.communicate(timeout=30)
        told = json.loads(said.splitlines()[-1])
        if unit_cost is not None and told["cost_nano"] != told["answered"] * unit_cost:
            raise SystemExit(f"The calls were booked at a wrong price: {told}.")
        if told["booked_on_key"] != told["booked"]:
            raise SystemExit(f"Not all calls were booked on the client's key: {told}.")
        return int(told["booked" if unit_cost is None else "answered"])


@contextmanager
def stage(
    folder: Path,
    *,
    mock: list[str] | str | None = None,
    proxy: str = "",
    settings: Mapping[str, str] | None = None,
) -> Iterator[Stage]:
    """Everything started and listening; all of it ended when the block is left.

    `mock`: a command, or nginx's servers (`fixed_answers` by default). `proxy`: "buffered" or "unbuffered" adds nginx
    as a reverse proxy. `settings` of the gateway besides the usual.
    """
    with ExitStack() as stack:
        if isinstance(mock, list):
            mocked = stack.enter_context(measuring.running(mock))
        else:
            mocked = stack.enter_context(measuring.nginx(folder / "mock", mock or fixed_answers()))
        if proxy:
            stack.enter_context(measuring.nginx(folder / "proxy", reverse_proxy(proxy == "unbuffered")))
        upstream = f"http://127.0.0.1:{MOCK}/v1"
        command = measuring.python("-m", "tests.gateway.control", "--port", str(CONTROL))
        command += ["--upstream", upstream, "--key", KEY]
        control = stack.enter_context(measuring.running(command))
        gateway = stack.enter_context(
            measuring.running(
                measuring.python("-m", "llm.gateway"), {**_environment(folder / "journal"), **(settings or {})}
            )
        )
        for port in (MOCK, GATEWAY, CONTROL, *([PROXY] if proxy else [])):
            measuring.wait_for_port(port)
        _prove_admission()
        yield Stage(gateway, control, mocked)


def _prove_admission() -> None:
    """SystemExit unless keys and limits are on the way of every call. Asks for a model nobody has: none is booked."""
    ask = {"model": "no-such-model", "messages": [{"role": "user", "content": "?"}]}
    with_key, told = payloads.refusal(GATEWAY, ask, {})
    without, _ = payloads.refusal(GATEWAY, ask, {"Authorization": "Bearer not-a-key"})
    limited = {name for name in ("requests", "tokens") if f"x-ratelimit-remaining-{name}" in told}
    if (with_key, without, limited) != (404, 401, {"requests", "tokens"}):
        raise SystemExit(f"Keys or limits are off: {with_key} with a key, {without} without, limits on {limited}.")


def fixed_answers() -> str:
    """nginx as a provider that gives one completion to every request."""
    return (
        f"server {{ listen 127.0.0.1:{MOCK} backlog=4096; location / {{ default_type application/json; "
        f"return 200 '{BODY.decode()}'; }} }}"
    )


def fixed_streams(folder: Path) -> str:
    """nginx as a provider that gives one whole stream to every request, at once."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "stream").write_bytes(stream_body())
    folder.parent.chmod(0o755)  # started by root, nginx reads as another user
    return (  # nginx answers POST on a file with 405; that error's page is the file
        "open_file_cache max=10; "
        f"server {{ listen 127.0.0.1:{MOCK} backlog=4096; root {folder}; default_type 'text/event-stream'; "
        "sendfile on; tcp_nopush on; error_page 405 =200 /stream; location / { rewrite ^ /stream break; } }"
    )


def reverse_proxy(unbuffered: bool) -> str:
    """nginx in the gateway's place; `unbuffered` passes each piece of a stream on at once."""
    buffering = "off" if unbuffered else "on"
    return (
        f"upstream mock {{ server 127.0.0.1:{MOCK}; keepalive 256; keepalive_requests 1000000000; }} "
        f"server {{ listen 127.0.0.1:{PROXY} backlog=4096; location / {{ proxy_pass http://mock; "
        f'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering {buffering}; }} }}'
    )


def _environment(journal: Path) -> dict[str, str]:
    return {
        "OPENAI_PORT": str(GATEWAY),
        "UPLINK_URL": f"ws://127.0.0.1:{CONTROL}/uplink",
        "UPLINK_SECRET": "uplink-secret-for-tests",
        "JOURNAL_DIR": str(journal),
        "LOG_LEVEL": "warning",
        "API_KEY_REQUIRED": "true",
    }
