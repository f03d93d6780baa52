"""The gateways we are compared with: which version, how installed, with which settings, how started.

Each is installed by name and version from its public registry into a folder of its own, which is removed afterwards
(`--environments FOLDER` keeps it for the next run). No install script runs, only wheels are taken, and a peer gets an
environment without any variable of ours. One that cannot be installed or started is reported with the reason, never
skipped in silence. Each runs with the settings its makers recommend for production, as one worker, like us; what a
database or cache service would add to a peer's work is left out, which favours the peer.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import payloads
from benchmarks.stage import MOCK, PEER

START_SECONDS = 120.0
PROVIDER_KEY = "sk-upstream-secret"
MASTER_KEY = "sk-benchmark"


class CannotRun(Exception):
    """A peer is not installed or does not answer; the message is the reason."""


class Peer(msgspec.Struct):
    """One of them."""

    name: str
    package: str
    """As the registry names it."""
    version: str
    settings: str
    """In words, with the page they are from."""
    model: str = "gpt-4"
    path: str = "/v1"
    headers: dict[str, str] = {}
    home: Path = Path()
    """Where it is installed."""
    missing: str = ""
    """Why it is not, if so."""
    source: bool = False
    """It is published as source only: pure Python, built by its own setup."""
    beside: tuple[str, ...] = ()
    """Packages, with their versions, that it needs for what it is asked to do."""

    def described(self) -> dict[str, Any]:
        return {"peer": self.name, "package": self.package, "version": self.version, "settings": self.settings}


PEERS = (
    Peer(
        "tensorzero",
        "tensorzero",
        "2026.6.0",
        "the Rust gateway that the PyPI package embeds, listening on HTTP as its OpenAI-client patch starts it; "
        "observability, which its makers advise to write asynchronously, needs ClickHouse and is off "
        "(tensorzero.com/docs/deployment/optimize-latency-and-throughput)",
        model="tensorzero::model_name::gpt-4",
        path="/openai/v1",
    ),
    Peer(
        "portkey",
        "@portkey-ai/gateway",
        "1.15.2",
        "node build/start-server.js --headless, NODE_ENV=production "
        "(github.com/Portkey-AI/gateway, docs/installation-deployments.md)",
        headers={"x-portkey-provider": "openai", "x-portkey-custom-host": f"http://127.0.0.1:{MOCK}/v1"},
    ),
    Peer(
        "litellm",
        "litellm[proxy]",
        # Not newer on purpose: 1.107.0 was published by an attacker, as 1.82.7 and 1.82.8 had been.
        "1.105.7",
        "one uvicorn worker, LITELLM_MODE=PRODUCTION, LITELLM_LOG=ERROR, set_verbose false, json_logs, "
        "request_timeout 600, a master key; no database, so no spend logs (docs.litellm.ai/docs/proxy/prod)",
        headers={"Authorization": f"Bearer {MASTER_KEY}"},
    ),
    Peer("snakes", "snakes", "0.9.33", "a library: nets of black tokens, as its tutorial builds them", source=True),
    Peer("pm4py", "pm4py", "2.7.23.11", "a library: its own semantics and reachability graph"),
    Peer(
        "langgraph",
        "langgraph",
        "1.2.24",
        "a library: PostgresSaver (langgraph-checkpoint-postgres 3.2.0) on psycopg 3.3.9 with its C part, as its "
        'README has it; durability="sync", which loses no step; strict msgpack',
        beside=("langgraph-checkpoint-postgres==3.2.0", "psycopg[binary,pool]==3.3.9"),
    ),
    Peer(
        "dbos",
        "dbos",
        "3.4.0",
        "a library: its system database on Postgres, its own pool, an executor id for each process "
        "(docs.dbos.dev/production/checklist)",
    ),
)


@contextmanager
def environments(names: Collection[str]) -> Iterator[list[Peer]]:
    """These peers, installed where they can be."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--environments", type=Path, help="install peers here, and leave them there")
    given, _ = parser.parse_known_args()
    folder = given.environments or Path(tempfile.mkdtemp(prefix="benchmark-peers-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        wanted = [peer for peer in PEERS if peer.name in names]
        for peer in wanted:
            install(peer, folder)
        yield wanted
    finally:
        if given.environments is None:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def start(
    peer: Peer, folder: Path, first: Mapping[str, Any] = payloads.REQUEST
) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """The peer, once it answers rightly: its port and its process. Raises CannotRun."""
    if peer.missing:
        raise CannotRun(peer.missing)
    log = folder / f"{peer.name}.log"
    with log.open("w") as said:
        command, environment = _command(peer, folder)
        process = subprocess.Popen(
            command, cwd=folder, env={**_bare(folder), **environment}, stdout=said, stderr=subprocess.STDOUT, text=True
        )
        try:
            yield _wait_for(peer, process, log, first), process
        finally:
            process.terminate()
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def install(peer: Peer, folder: Path) -> None:
    """Install it below this folder unless it is there already; `home` and `missing` say how that went."""
    peer.home = folder.resolve() / peer.name
    peer.missing = _install(peer, peer.home)


def _install(peer: Peer, home: Path) -> str:
    """Install unless there already. What went wrong, in one line, or nothing."""
    mark = home / "installed"
    if not mark.exists() or mark.read_text() != peer.version:
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        print(f"installing {peer.package} {peer.version} ...", flush=True)
        try:
            for command in _install_commands(peer, home):
                done = subprocess.run(command, cwd=home, capture_output=True, text=True, timeout=900)
                if done.returncode:
                    return ((done.stderr or done.stdout).strip().splitlines() or ["no reason given"])[-1][:300]
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)[:300]
        mark.write_text(peer.version)
    return ""


def _install_commands(peer: Peer, home: Path) -> list[list[str]]:
    if peer.name == "portkey":
        npm = shutil.which("npm") or "npm"
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        return [[npm, "install", *options, f"{peer.package}@{peer.version}"]]
    pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    source = ["--no-binary", peer.package] if peer.source else []
    return [
        [sys.executable, "-m", "venv", str(home)],
        [*pip, "--only-binary", ":all:", *source, f"{peer.package}=={peer.version}", *peer.beside],
    ]


def _command(peer: Peer, folder: Path) -> tuple[list[str], dict[str, str]]:
    """The command line and what to add to the bare environment. Writes the configuration into `folder`."""
    home, upstream = peer.home, f"http://127.0.0.1:{MOCK}/v1"
    if peer.name == "portkey":
        program = home / "node_modules/@portkey-ai/gateway/build/start-server.js"
        return ["node", str(program), "--headless", f"--port={PEER}"], {"NODE_ENV": "production"}
    if peer.name == "tensorzero":
        configuration = folder / "tensorzero.toml"
        configuration.write_text(TENSORZERO.format(upstream=upstream))
        program = folder / "tensorzero_gateway.py"
        program.write_text(TENSORZERO_PROGRAM)
        return [str(home / "bin/python"), str(program), str(configuration)], {"OPENAI_API_KEY": PROVIDER_KEY}
    configuration = folder / "litellm.yaml"
    configuration.write_text(LITELLM.format(upstream=upstream, provider_key=PROVIDER_KEY, key=MASTER_KEY))
    command = [str(home / "bin/litellm"), "--config", str(configuration), "--host", "127.0.0.1", "--port", str(PEER)]
    return [*command, "--num_workers", "1"], {
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOG": "ERROR",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # it would fetch its price list from the network
    }


TENSORZERO = """
[gateway]
observability.enabled = false
[models.gpt-4]
routing = ["mock"]
[models.gpt-4.providers.mock]
type = "openai"
api_base = "{upstream}"
model_name = "gpt-4"
"""
TENSORZERO_PROGRAM = """
import signal, sys
from tensorzero.tensorzero import _start_http_gateway
gateway = _start_http_gateway(
    config_file=sys.argv[1], clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=False
)
print("listens on", gateway.base_url, flush=True)
signal.pause()
"""
LITELLM = """
model_list:
  - model_name: gpt-4
    litellm_params:
      model: openai/gpt-4
      api_base: {upstream}
      api_key: {provider_key}
litellm_settings:
  request_timeout: 600
  set_verbose: false
  json_logs: true
general_settings:
  master_key: {key}
"""


def _wait_for(peer: Peer, process: "subprocess.Popen[str]", log: Path, first: Mapping[str, Any]) -> int:
    """The port on which it has given one right answer."""
    deadline = time.monotonic() + START_SECONDS
    last = "no answer yet"
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"listens on http://[\d.]+:(\d+)", log.read_text()) if peer.name == "tensorzero" else None
        port = int(found[1]) if found else PEER
        try:
            payloads.ask(port, {**first, "model": peer.model}, peer.path, peer.headers)
        except urllib.error.HTTPError as error:
            last = f"status {error.code}: {error.read()[:300].decode(errors='replace')}"
        except (OSError, ValueError) as error:
            last = str(error)
        else:
            return port
        time.sleep(0.3)
    tail = log.read_text()[-500:]
    raise CannotRun(f"{peer.name} {peer.version} gives no right answer: {last}. Its log ends: {tail}")


def _bare(folder: Path) -> dict[str, str]:
    """Nothing of this user's: a peer has no business with our variables."""
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"}
