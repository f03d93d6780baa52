"""The journal on disk: numbers, crashes, acknowledgements, its bound, and a disk that refuses."""

import errno
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from billing.core.pricing import Usage
from billing.core.usage import CallRecord
from llm.gateway.journal import Journal
from llm.gateway.journal_files import JournalLocked
from llm.gateway.journal_reader import JournalReader
from llm.gateway.server import run
from tests.gateway.conftest import until


def record(number: int, request_id: str = "r") -> CallRecord:
    return CallRecord(
        number=number,
        id=f"{number:032x}",
        request_id=request_id,
        started_at=1,
        finished_at=2,
        provider="acme",
        model="gpt-4",
        requested_model="auto",
        status=200,
        outcome="ok",
        usage=Usage(1, output=2),
        cost_nano=3,
    )


async def write(journal: Journal, count: int, **fields: Any) -> None:
    for _ in range(count):
        journal.append(record(journal.next_number, **fields))
        journal.write_pending()


def numbers(lines: list[bytes]) -> list[int]:
    return [msgspec.json.decode(line, type=CallRecord).number for line in lines]


async def test_a_record_is_in_the_file_once_what_is_pending_is_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    await write(journal, 1)
    (segment,) = tmp_path.glob("*.jsonl")
    assert msgspec.json.decode(segment.read_bytes(), type=CallRecord) == record(1)
    await journal.close()


async def test_numbers_go_on_after_a_restart(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    await write(journal, 3)
    await journal.close()
    journal = Journal(tmp_path)
    assert (journal.next_number, journal.written, journal.lag) == (4, 3, 3)
    await write(journal, 1)
    reader = JournalReader(journal)
    reader.rewind(0)
    assert numbers(reader.read(10)[0]) == [1, 2, 3, 4]
    reader.close()
    await journal.close()


async def test_a_wrong_number_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with pytest.raises(ValueError, match="The next record is number 1, not 2"):
        journal.append(record(2))
    await journal.close()


@pytest.mark.parametrize("torn", [b"{", b'{"number":3,"id":"', b"\x00\x00\x00"])
async def test_a_torn_last_line_is_cut_off(tmp_path: Path, torn: bytes) -> None:
    journal = Journal(tmp_path)
    await write(journal, 2)
    await journal.close()
    (segment,) = tmp_path.glob("*.jsonl")
    with segment.open("ab") as file:
        file.write(torn)
    journal = Journal(tmp_path)
    assert journal.next_number == 3
    await write(journal, 1)
    reader = JournalReader(journal)
    reader.rewind(1)
    assert numbers(reader.read(10)[0]) == [2, 3]
    reader.close()
    await journal.close()


async def test_one_process_owns_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with pytest.raises(JournalLocked, match="GATEWAY_NAME"):
        Journal(tmp_path)
    await journal.close()
    await Journal(tmp_path).close()


async def test_acknowledged_segments_are_deleted_and_numbers_live_on(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=1_000)
    await write(journal, 20)
    assert len(list(tmp_path.glob("*.jsonl"))) > 3
    journal.acknowledge(20)
    (left,) = tmp_path.glob("*.jsonl")
    assert journal.size == left.stat().st_size
    assert journal.lag == 0
    await journal.close()
    journal = Journal(tmp_path)
    assert (journal.next_number, journal.lag) == (21, 0)
    await journal.close()


async def test_an_acknowledgement_beyond_what_was_written_is_not_believed(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    await write(journal, 2)
    journal.acknowledge(1_000)
    assert journal.acknowledged == 2
    journal.acknowledge(1)
    assert journal.acknowledged == 2
    await journal.close()


async def test_at_the_bound_no_new_call_is_accepted_until_some_are_booked(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=500, limit_bytes=2_000)
    while journal.accepting:
        await write(journal, 1)
    assert journal.size >= 2_000
    await write(journal, 1)
    journal.acknowledge(journal.written)
    assert journal.accepting
    await journal.close()


async def test_a_disk_that_refuses_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path)
    await write(journal, 1)
    real, full = os.write, True

    def refusing(file: int, data: Any) -> int:
        if not full:
            return real(file, data)
        real(file, bytes(data)[:10])  # half a line gets through before the disk is full
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", refusing)
    await write(journal, 3)
    assert (journal.accepting, journal.written) == (False, 1)
    full = False
    await until(lambda: journal.accepting)
    reader = JournalReader(journal)
    reader.rewind(0)
    assert numbers(reader.read(10)[0]) == [1, 2, 3, 4]
    reader.close()
    await journal.close()


@hypothesis_settings(max_examples=40, deadline=None)
@given(steps=st.lists(st.tuples(st.integers(0, 9), st.integers(1, 7), st.booleans()), min_size=1, max_size=15))
def test_a_reader_sees_every_number_once_in_order(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int, bool]]
) -> None:
    """Whatever is written, read, acknowledged and restarted in between."""

    async def run_steps() -> None:
        folder = tmp_path_factory.mktemp("journal")
        journal, seen = Journal(folder, segment_bytes=700), []
        reader = JournalReader(journal)
        reader.rewind(0)
        for written, most, restarts in steps:
            await write(journal, written)
            lines, last = reader.read(most)
            seen += numbers(lines)
            assert last == (seen[-1] if seen else last)
            journal.acknowledge(last)
            if restarts:
                reader.close()
                await journal.close()
                journal = Journal(folder, segment_bytes=700)
                reader = JournalReader(journal)
                reader.rewind(last)
        while lines := reader.read(50)[0]:
            seen += numbers(lines)
        assert seen == list(range(1, journal.next_number))
        reader.close()
        await journal.close()

    run(run_steps())
