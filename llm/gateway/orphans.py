"""Journal folders whose worker is no more (fewer workers, another name): a living worker hands over what they hold.

Every worker looks through `JOURNAL_DIR`. A folder that is not its own, holds something and has been free of its lock at
two looks in a row is adopted: under its lock, so never by two at once; calls in the air are recorded as lost, all is
counted for `/metrics`, and sent over a second uplink under the folder's own name, because numbers belong to a name.
When all is acknowledged an empty segment stays, whose name keeps the count, and what was set aside. A worker that
starts under an adopted name asks for its folder (`ask_back`) and gets it within a moment; the rest it sends itself.
One folder at a time, at most `MAX_FOLDERS` are looked at. Calls `journal.py`, `uplink.py`; started by `worker.py`.
"""

import asyncio
import contextlib
import logging
import time
from pathlib import Path

from llm.core.snapshot import Snapshot
from llm.gateway.journal import Journal
from llm.gateway.journal_files import SUFFIX, JournalLocked, is_locked
from llm.gateway.metrics import Metrics
from llm.gateway.settings import Settings
from llm.gateway.shared_metrics import MAX_FOLDERS, SharedMetrics
from llm.gateway.uplink import Uplink

log = logging.getLogger(__name__)

SCAN_SECONDS = 5.0
LOOK_SECONDS = 0.1
"""How often an adopter asks whether it is done, or the owner is back."""
ADOPTED, WANTED = "adopted", "wanted"
WANTED_SECONDS = 30.0
"""So long after its owner asked for it a folder is left alone."""
GIVE_BACK_SECONDS = 10.0
UNSURE_SECONDS = 0.5
"""How long a start waits for a lock nobody says to have adopted: a look may hold it for an instant."""


class Orphans:
    """One worker's watch over the folders beside its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._free: set[Path] = set()
        """Seen free at the last look."""

    async def run(self) -> None:
        """Look and adopt until cancelled."""
        while True:
            await asyncio.sleep(SCAN_SECONDS)
            for folder in self._look():
                try:
                    await self._adopt(folder)
                except JournalLocked:
                    continue  # another adopter was first
                except (OSError, ValueError) as error:
                    log.error("The journal %s of a worker that is no more cannot be handed over: %s", folder, error)

    def _look(self) -> list[Path]:
        """The folders to adopt now."""
        own = self._settings.name
        locks = sorted(self._settings.journal_dir.glob("*/lock"))[:MAX_FOLDERS]
        free = {
            lock.parent
            for lock in locks
            if lock.parent.name != own
            and _holds_something(lock.parent)
            and not _wanted(lock.parent)
            and not is_locked(lock.parent)
        }
        due, self._free = free & self._free, free
        return sorted(due)

    async def _adopt(self, folder: Path) -> None:
        if _wanted(folder):
            return
        journal = Journal(folder, slots=1)
        try:
            (folder / ADOPTED).write_text(self._settings.name)
            journal.write_pending()  # the lost ones
            shared = SharedMetrics(journal, Metrics())
            shared.inherit()
            shared.save({})
            if journal.lag:
                log.warning("Handing over %d records of %s, whose worker is no more.", journal.lag, folder.name)
            await self._hand_over(journal)
            if not journal.lag:
                journal.empty()
        finally:
            await journal.close(before_unlocking=(folder / ADOPTED).unlink)

    async def _hand_over(self, journal: Journal) -> None:
        """Until all is acknowledged, or the owner wants it back."""
        settings = self._settings
        uplink = Uplink(settings.uplink_url, settings.uplink_secret, journal.folder.name, journal, _not_ours, None)
        running = asyncio.create_task(uplink.run())
        try:
            while journal.lag and not _wanted(journal.folder):  # noqa: ASYNC110 - the wish is a file
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running


async def ask_back(folder: Path) -> None:
    """Before a worker takes its folder: have an adopter let go of it. A lock that stays is `Journal`'s to report."""
    _say_wanted(folder)
    began = time.monotonic()
    while is_locked(folder):
        patience = GIVE_BACK_SECONDS if (folder / ADOPTED).exists() else UNSURE_SECONDS
        if time.monotonic() - began > patience:
            return
        await asyncio.sleep(LOOK_SECONDS / 2)
    (folder / ADOPTED).unlink(missing_ok=True)  # of an adopter that was killed


def taken_back(folder: Path) -> None:
    """The owner has its lock: should it die, the folder may be adopted."""
    (folder / WANTED).unlink(missing_ok=True)


def _say_wanted(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / WANTED).touch()


def _holds_something(folder: Path) -> bool:
    """Records, or a register that may hold calls in the air."""
    if (folder / "in-flight").exists():
        return True
    return any(path.stat().st_size for path in folder.glob("[0-9]*" + SUFFIX))


def _wanted(folder: Path) -> bool:
    try:
        return abs(time.time() - (folder / WANTED).stat().st_mtime) < WANTED_SECONDS
    except FileNotFoundError:
        return False


def _not_ours(snapshot: Snapshot) -> None:
    """The worker's own uplink hears of the configuration."""
