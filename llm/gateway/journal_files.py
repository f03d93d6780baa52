"""What lies in a journal's folder: the lock, the segments, the mark. `journal.py` uses it and says what is promised."""

import fcntl
import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)

SUFFIX = ".jsonl"


class JournalLocked(RuntimeError):
    """Another process owns this journal."""


class Segment:
    """One file: the records from `first` on."""

    __slots__ = ("first", "path", "size")

    def __init__(self, first: int, path: Path, size: int) -> None:
        self.first = first
        self.path = path
        self.size = size


def lines_of(path: Path) -> int:
    """0 when there is no such file."""
    try:
        return path.read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def is_locked(folder: Path) -> bool:
    """Whether a process owns the journal in this folder."""
    try:
        os.close(lock(folder))
    except JournalLocked:
        return True
    return False


def lock(folder: Path) -> int:
    """Own the folder until the file returned is closed. Raises JournalLocked."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise JournalLocked(
            f"Another gateway process owns the journal {folder}; give this one another GATEWAY_NAME."
        ) from None
    return file


def recover(folder: Path) -> tuple[list[Segment], int]:
    """The segments as a crash has left them, the last one mended, and the next number."""
    segments = [
        Segment(int(path.stem), path, path.stat().st_size)
        for path in sorted(folder.glob("[0-9]*" + SUFFIX), key=lambda path: int(path.stem))
    ]
    if not segments:
        return [create(folder, 1)], 1
    last = segments[-1]
    data = last.path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        log.warning("The journal's last line was torn by a crash; %d bytes are cut off.", len(data) - len(whole))
        os.truncate(last.path, len(whole))
        last.size = len(whole)
    return segments, last.first + whole.count(b"\n")


def create(folder: Path, first: int) -> Segment:
    """A segment without records; its name says which comes first."""
    path = folder / f"{first:020d}{SUFFIX}"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    return Segment(first, path, 0)


def read_mark(folder: Path, otherwise: int) -> int:
    """Up to which number all is booked, as written down last, or `otherwise` where that is more or nothing is."""
    try:
        return max(int((folder / "acknowledged").read_text()), otherwise)
    except (OSError, ValueError):
        return otherwise
