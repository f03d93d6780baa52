"""`python -m llm.sandbox --port 3900`: run the sandbox until SIGTERM or Ctrl-C. One line says when it listens."""

import argparse
import asyncio
import signal
import sys

from llm.gateway.server import HttpServer, run
from llm.sandbox.errors import Refusal
from llm.sandbox.faults import read_directives
from llm.sandbox.server import Sandbox

DRAIN_SECONDS = 1.0


def main() -> None:
    """Read the command line and serve."""
    wires = "A stand-in provider on the wires of OpenAI, Anthropic, Gemini, Ollama and Azure."
    parser = argparse.ArgumentParser(prog="python -m llm.sandbox", description=wires)
    parser.add_argument("--port", type=int, required=True, help="0 lets the system choose")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument(
        "--behave", default="", metavar="DIRECTIVES", help="for every request, e.g. 'delay=0.2&rate=50'"
    )
    given = parser.parse_args()
    try:
        read_directives(given.behave)
    except Refusal as refusal:
        sys.exit(f"--behave: {refusal.message}")
    run(_serve(given.host, given.port, given.behave))


async def _serve(host: str, port: int, standing: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = HttpServer(Sandbox(standing).handle)
    try:
        port = await server.listen(host, port)
    except (OSError, OverflowError) as reason:
        sys.exit(f"The sandbox cannot listen on {host}:{port}: {reason}.")
    sys.stdout.write(f"The sandbox (not a language model) listens on http://{host}:{port}/v1\n")
    sys.stdout.flush()
    await stop.wait()
    await server.drain(DRAIN_SECONDS)


if __name__ == "__main__":
    main()
