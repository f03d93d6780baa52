"""The embedded message queue: kombu's filesystem transport, made safe for several processes and bounded.

kombu writes a message straight under its final name, so a reader may take it half written; here it is renamed into
place. It also lets a folder grow without end while no worker runs; here a message over MAX_WAITING is dropped, which
costs time only: the outbox is the truth, and the workers' sweep finds what nobody was told of. For one machine only.
"""

import contextlib
import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import filesystem
from kombu.utils.encoding import bytes_to_str, str_to_bytes
from kombu.utils.json import dumps, loads

MAX_WAITING = 1_000
DRAIN_SECONDS = 0.2


class Channel(filesystem.Channel):
    """One folder, one file a message, named so that the oldest sorts first."""

    def _put(self, queue: str, payload: dict[str, Any], **kwargs: Any) -> None:  # type: ignore[override]
        folder = Path(self.data_folder_out)
        if sum(1 for _ in folder.iterdir()) >= MAX_WAITING:
            return
        name = f"{time.time_ns():020d}_{uuid.uuid4().hex}.{queue}.msg"
        unfinished = folder / f".{name}.part"
        unfinished.write_bytes(str_to_bytes(dumps(payload)))
        unfinished.rename(folder / name)

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        """Take the oldest message; whoever renames it first has it."""
        folder = Path(self.data_folder_in)
        for name in sorted(file.name for file in folder.iterdir()):
            if name.startswith(".") or name.partition(".")[2] != f"{queue}.msg":
                continue
            taken = folder / f".{name}.taken"
            with contextlib.suppress(FileNotFoundError):
                (folder / name).rename(taken)
                text = taken.read_bytes()
                taken.unlink()
                return loads(bytes_to_str(text))
        raise Empty


class Transport(filesystem.Transport):
    Channel = Channel

    def drain_events(self, connection: Any, timeout: float | None = None, **kwargs: Any) -> Any:
        """As kombu's, but back sooner when there is nothing: the worker looks for a signal to end only in between."""
        return super().drain_events(connection, timeout=min(timeout or DRAIN_SECONDS, DRAIN_SECONDS), **kwargs)
