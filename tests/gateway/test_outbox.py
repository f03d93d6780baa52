"""What leaves leaves after the journal is written, in order, in one go per turn."""

import asyncio
from pathlib import Path

from llm.gateway.journal import Journal
from llm.gateway.outbox import Outbox
from tests.gateway.test_journal import record


class Wire(asyncio.WriteTransport):
    """Notes at each write how many records the journal's file held by then."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.written: list[tuple[bytes, int]] = []

    def write(self, data: bytes) -> None:  # type: ignore[override]
        (segment,) = self.folder.glob("*.jsonl")
        self.written.append((data, segment.read_bytes().count(b"\n")))

    def is_closing(self) -> bool:
        return False


async def test_records_appended_before_an_answer_are_in_the_file_when_it_leaves(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    wire = Wire(tmp_path)
    outbox = Outbox(asyncio.get_running_loop(), journal.write_pending)
    journal.append(record(1))
    outbox.write(wire, b"one")
    journal.append(record(2))
    outbox.write(wire, b"two")
    assert wire.written == []
    await asyncio.sleep(0)
    assert wire.written == [(b"one", 2), (b"two", 2)]
    journal.append(record(3))
    outbox.write(wire, b"three")
    outbox.flush()  # what closes a connection does
    assert wire.written[-1] == (b"three", 3)
    await journal.close()
