"""One answer to a scrape for all workers of one journal folder, whichever of them it reaches.

About once a second, and before each scrape it answers, a worker writes its counters into `metrics.json` in its own
journal folder; a scrape adds the siblings' files to its own. A restarted worker takes up what its predecessor wrote,
and counts what the journal holds beyond it, so sums never fall, not even after `kill -9`. (Refusals and provider errors
of the last second before a kill are not in the journal, and are lost.) A folder whose worker is no more keeps counting.
Gauges are those of live workers only, one series each. Bounded: at most `MAX_FOLDERS` siblings are read.
"""

import logging
import time
from pathlib import Path

import msgspec

from billing.core.usage import CallRecord
from llm.core.uplink import VERSION
from llm.gateway import metrics_text
from llm.gateway.counters import Counters
from llm.gateway.journal import Journal
from llm.gateway.journal_reader import JournalReader
from llm.gateway.metrics import Metrics

log = logging.getLogger(__name__)

FILE = "metrics.json"
LIVE_SECONDS = 5.0
MAX_FOLDERS = 256
REPLAY_LINES = 1_000


class State(msgspec.Struct, frozen=True):
    """What a worker has written."""

    at: int
    through: int
    """The last journal number that is counted."""
    counters: Counters
    gauges: dict[str, float]


_decoder = msgspec.json.Decoder(State)
_record = msgspec.json.Decoder(CallRecord)


class SharedMetrics:
    """One worker's part. `metrics` counts since this process began; `_inherited` is what came before."""

    def __init__(self, journal: Journal, metrics: Metrics) -> None:
        self._journal = journal
        self._metrics = metrics
        self._inherited = Metrics()
        self._folder = journal.folder
        self._failing = False

    def inherit(self) -> None:
        """Take up the predecessor's counters. Once, before the first call is counted."""
        state = _read(self._folder / FILE)
        if state is None:
            through = self._journal.acknowledged  # older ones may be gone: from here on all is counted
        else:
            self._inherited.add(state.counters)
            through = state.through
        self._journal.write_pending()
        reader = JournalReader(self._journal)
        try:
            reader.rewind(max(through, self._journal.segments[0].first - 1))
            while lines := reader.read(REPLAY_LINES)[0]:
                for line in lines:
                    self._inherited.count_call(_record.decode(line))
        except msgspec.DecodeError as error:
            log.error("The journal's counters could not be taken up in full: %s", error)
        finally:
            reader.close()

    def save(self, gauges: dict[str, float]) -> None:
        """Write this worker's file. A disk that refuses costs figures, not calls."""
        state = State(time.time_ns(), self._journal.next_number - 1, self._own().counters(), gauges)
        new = self._folder / (FILE + ".new")
        try:
            new.write_bytes(msgspec.json.encode(state))
            new.replace(self._folder / FILE)
            self._failing = False
        except OSError as error:
            if not self._failing:
                log.error("%s cannot be written: %s", new, error)
            self._failing = True

    def render(self, gauges: dict[str, float], *, only_own: bool = False) -> bytes:
        """Prometheus text for all workers, or for this one."""
        self.save(gauges)
        everything, workers = self._own(), {self._folder.name: gauges}
        for path in [] if only_own else sorted(self._folder.parent.glob("*/" + FILE))[:MAX_FOLDERS]:
            state = _read(path) if path.parent != self._folder else None
            if state is None:
                continue
            everything.add(state.counters)
            if abs(time.time_ns() - state.at) < LIVE_SECONDS * 1e9:
                workers[path.parent.name] = state.gauges
        return metrics_text.render(everything, workers, VERSION)

    def _own(self) -> Metrics:
        both = Metrics()
        both.add(self._inherited.counters())
        both.add(self._metrics.counters())
        return both


def _read(path: Path) -> State | None:
    """None: there is none, or it is of another release."""
    try:
        return _decoder.decode(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        log.warning("%s cannot be read (%s): its figures are left out.", path, error)
        return None
