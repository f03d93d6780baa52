"""`manage.py serve` from start to end: checks, storage, processes in the order that makes the first reply come soonest.

    lock DATA_DIR → ports free → wipe and copy the throw-away database → control loads ∥ set-up migrates and seeds
    → gateways, sandbox, worker → the gateway says it is ready → banner → wait for a signal → drain

This process never loads Django's apps: it holds a lock, pipes and process ids, and must not be what breaks. Every
reason not to start is one line (CannotServe). Next: `processes.py` (what runs), `supervisor.py` (keeping it running).
"""

import asyncio
import errno
import fcntl
import os
import signal
import socket
import ssl
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import msgspec

from circuit_breaker import processes, settings, setup
from circuit_breaker.banner import banner
from circuit_breaker.console import Console
from circuit_breaker.lifeline import PARENT
from circuit_breaker.storage import REGISTER, which_database
from circuit_breaker.supervisor import StartFailed, Supervisor

READY_SECONDS = 60.0
INTERRUPTED = 130
ECHO_SECONDS = 0.3


class CannotServe(Exception):
    """Why not, in one line."""


def serve(started: float) -> int:
    """Run the product until a signal ends it; the exit code. `started` is when the program began (time.monotonic)."""
    with ExitStack() as stack:
        stack.enter_context(_locked(settings.DATA_DIR))
        check_ports()
        console = Console(sys.stdout)
        stack.callback(console.close)
        try:
            return asyncio.run(_run(console, started))
        except (CannotServe, StartFailed) as error:
            console.say(f"Circuit Breaker did not start: {error}")
            return 1


def check_ports() -> None:
    """Raise CannotServe naming the first port that is taken, and the setting that changes it."""
    wanted = [
        ("OPENAI_PORT", settings.GATEWAY_HOST, settings.OPENAI_PORT),
        ("GRAPHQL_PORT", settings.CONTROL_HOST, settings.GRAPHQL_PORT),
        ("SANDBOX_PORT", "127.0.0.1", settings.SANDBOX_PORT),
    ]
    for name, host, port in wanted:
        if port:
            _check_port(name, host, port)


def _check_port(name: str, host: str, port: int) -> None:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CannotServe(
                f"port {port} on {host} is taken by another program: stop that one, or set {name} to a free port."
            ) from None
        raise CannotServe(f"port {port} on {host} cannot be used ({error.strerror}): see {name}.") from None


def _locked(folder: Path) -> IO[str]:
    """The lock that one `serve` holds on its data; it goes with the process, however that ends."""
    file = (folder / "serve.lock").open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise CannotServe(
            f"another `serve` is running on {folder}: stop it, or set DATA_DIR to another folder."
        ) from None
    return file


async def _run(console: Console, started: float) -> int:
    return await _Serving(console, started).run()


class _Serving:
    """One run; holds what the steps share."""

    def __init__(self, console: Console, started: float) -> None:
        self._console = console
        self._started = started
        register = settings.DATA_DIR / REGISTER
        self._supervisor = Supervisor(console, settings.BASE_DIR, register, which_database())
        self._signals: asyncio.Queue[signal.Signals] = asyncio.Queue()

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._signals.put_nowait, number)
        stopped = asyncio.create_task(self._signals.get())
        start = asyncio.create_task(self._start())
        failure = asyncio.create_task(self._supervisor.failure())
        try:
            await asyncio.wait({stopped, start, failure}, return_when=asyncio.FIRST_COMPLETED)
            if not stopped.done():
                (failure if failure.done() else start).result()  # raises what went wrong
                await stopped
            start.cancel()  # nothing more is started from here on
            await asyncio.wait({start})
            self._console.say(f"\n{stopped.result().name}: finishing what is in work (again to end at once) ...")
            drained = await self._drained()
            self._console.say(
                "Stopped." if drained else "Stopped at once; what was in work is taken up at the next start."
            )
            return 0 if drained else INTERRUPTED
        finally:
            for task in (start, failure, stopped):
                task.cancel()
            self._supervisor.kill()
            await self._supervisor.stop(2.0)
            (settings.DATA_DIR / REGISTER).unlink(missing_ok=True)

    async def _drained(self) -> bool:
        """End everything in order; False when a second signal cut that short."""
        drain = asyncio.create_task(self._supervisor.stop(settings.DRAIN_SECONDS))
        again = asyncio.create_task(self._second_signal())
        await asyncio.wait({drain, again}, return_when=asyncio.FIRST_COMPLETED)
        again.cancel()
        if drain.done():
            drain.result()
            return True
        drain.cancel()
        return False

    async def _second_signal(self) -> None:
        """`make` hands a SIGTERM on to us: one sent to the whole group comes twice, and its echo is no second wish."""
        first = time.monotonic()
        while await self._signals.get() == signal.SIGTERM and time.monotonic() - first < ECHO_SECONDS:
            continue

    async def _start(self) -> None:
        template = self._prepare_folders()
        port = processes.sandbox_port()
        sandbox_url = settings.SANDBOX_URL or f"http://127.0.0.1:{port}/v1"
        await self._supervisor.start(processes.control(sandbox_url))
        report = await self._set_up(sandbox_url, template)
        self._supervisor.release("control")
        own_sandbox = report.sandbox and not settings.SANDBOX_URL
        if own_sandbox:
            await self._supervisor.start(processes.sandbox(port))
        for gateway in processes.gateways():
            await self._supervisor.start(gateway)
        await self._supervisor.start(processes.worker(sandbox_url))
        awaited = [("the gateway", processes.gateway_address() + "/ready")]
        if own_sandbox:
            awaited.append(("the sandbox", sandbox_url.removesuffix("/v1") + "/health"))
        await self._wait_until_ready(awaited)
        self._supervisor.settled()
        self._console.say(banner(report, time.monotonic() - self._started))

    def _prepare_folders(self) -> Path | None:
        """The folders the processes need; for the throw-away storage, an empty start. Returns its template's path."""
        template = None
        if settings.STORAGE_BACKEND == "memory":
            template = setup.template_path(settings.DATA_DIR, settings.BASE_DIR)
            database = Path(settings.DATABASES["default"]["NAME"])
            setup.wipe_memory(database, [processes.journal_folder(), processes.queue_folder()], template)
        for folder in (processes.journal_folder(), processes.queue_folder(), processes.queue_folder() / "control"):
            folder.mkdir(parents=True, exist_ok=True)
        return template

    async def _set_up(self, sandbox_url: str, template: Path | None) -> setup.SetupReport:
        """Run `manage.py seed --migrate`, which ends; its trouble is the start's trouble."""
        arguments = ["manage.py", "seed", "--migrate", "--json"]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            *(["--template", str(template)] if template else []),
            cwd=settings.BASE_DIR,
            env={**processes.django_environment(sandbox_url), PARENT: str(os.getpid())},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            output, trouble = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        lines = trouble.decode(errors="replace").strip().splitlines()
        if process.returncode != 0:
            for line in lines[:-1]:
                self._console.say(f"set-up    | {line}")
            raise CannotServe(lines[-1].removeprefix("CommandError: ") if lines else "the set-up ended without a word.")
        for line in lines:
            self._console.say(f"set-up    | {line}")
        return msgspec.json.decode(output, type=setup.SetupReport)

    async def _wait_until_ready(self, awaited: list[tuple[str, str]]) -> None:
        """Until each (name, URL) answers 200. A gateway's /ready takes control, uplink and configuration."""
        deadline = time.monotonic() + READY_SECONDS
        for name, url in awaited:
            while not await _answers(url):
                if time.monotonic() > deadline:
                    raise CannotServe(f"{name} was not ready within {READY_SECONDS:.0f} s; its lines above say why.")
                await asyncio.sleep(0.01)


async def _answers(url: str) -> bool:
    """Whether a GET of a URL of ours is answered with 200. Our own certificate may well name another host."""
    scheme, _, rest = url.partition("://")
    address, _, path = rest.partition("/")
    host, _, port = address.rpartition(":")
    tls = None
    if scheme == "https":
        tls = ssl.create_default_context()
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    try:
        reader, writer = await asyncio.open_connection(host.strip("[]"), int(port), ssl=tls)
    except OSError:
        return False
    try:
        writer.write(f"GET /{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
        status = await asyncio.wait_for(reader.readline(), 2.0)
        return status.startswith(b"HTTP/1.1 200")
    except (OSError, TimeoutError):
        return False
    finally:
        writer.close()
