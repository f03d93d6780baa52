"""`python -m llm.gateway`: one gateway worker. All settings come from the environment (`settings.py` lists them)."""

import gc
import logging
import os
import resource
import sys

from llm.gateway import compiled

compiled.use()  # before any module that may be there compiled is imported

from llm.gateway.certificates import CertificateError  # noqa: E402
from llm.gateway.journal_files import JournalLocked  # noqa: E402
from llm.gateway.server import run  # noqa: E402
from llm.gateway.settings import SettingsError, read_settings  # noqa: E402
from llm.gateway.worker import serve  # noqa: E402


def main() -> None:
    """Read the settings and serve; a start that cannot succeed ends with one clear line and status 1."""
    try:
        settings = read_settings(os.environ)
    except SettingsError as error:
        sys.exit(f"gateway: {error}")
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for name in ("websockets", "httpx", "httpcore", "hpack", "h2"):  # at debug they write headers down, keys among them
        logging.getLogger(name).setLevel(logging.WARNING)
    _allow_many_connections()
    _collect_rarely()
    try:
        run(serve(settings))
    except CertificateError as error:
        sys.exit(f"gateway: {error}")
    except (JournalLocked, OSError) as error:
        sys.exit(f"gateway: cannot start on {settings.host}:{settings.port}: {error}")


def _collect_rarely() -> None:
    """Calls are written to leave no cycles behind, so the garbage collector need not look at each of them."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def _allow_many_connections() -> None:
    """Each connection is a file; the soft limit is often 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    main()
