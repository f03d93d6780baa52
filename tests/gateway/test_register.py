"""The register of calls in the air: what a dead worker leaves in it is booked once, and only that."""

import asyncio
import contextlib
from pathlib import Path

import msgspec
import pytest
from msgspec import Raw

from billing.core.pricing import Price
from llm.gateway.in_flight import Entry, asked
from llm.gateway.journal import Journal
from llm.gateway.journal_reader import JournalReader
from llm.gateway.register import NO_SLOT, SLOT_BYTES, Register
from tests.gateway.client import CHAT, ask, post
from tests.gateway.conftest import Running, until
from tests.gateway.control import PRICE, Control
from tests.gateway.processes import start
from tests.gateway.provider import REPLY, Provider, Request, http, whole
from tests.gateway.test_journal import record


def entry(number: int, **fields: object) -> Entry:
    usual = Entry(f"{number:032x}", "r", 5, 400, 30, False, 1, "7", asked("acme", "gpt-4", Price(10**9, 10**9)), "auto")
    return msgspec.structs.replace(usual, **fields)


def test_what_was_not_released_is_found_again(tmp_path: Path) -> None:
    register = Register(tmp_path / "in-flight", 10)
    slots = [register.enter(entry(number)) for number in range(4)]
    assert slots == [0, 1, 2, 3]
    register.release(slots[1])
    assert register.enter(entry(9), slots[2]) == slots[2], "a second attempt keeps its slot"
    register.close()
    register = Register(tmp_path / "in-flight", 10)
    assert [(slot, found.id) for slot, found in register.left] == [
        (0, entry(0).id),
        (2, entry(9).id),
        (3, entry(3).id),
    ]
    assert register.enter(entry(5)) == 1, "the slots of what was left stay taken"
    register.close()


def test_without_a_free_slot_a_call_goes_on_without_one(tmp_path: Path) -> None:
    register = Register(tmp_path / "in-flight", 1)
    first = register.enter(entry(1))
    assert register.enter(entry(2)) == NO_SLOT
    register.release(NO_SLOT)
    register.release(first)
    assert register.enter(entry(3)) == first
    register.close()


def test_very_long_names_leave_room_for_what_identifies_the_call(tmp_path: Path) -> None:
    register = Register(tmp_path / "in-flight", 2)
    register.enter(entry(1, requested_model="é" * SLOT_BYTES, user="u" * 256))
    register.close()
    ((_, found),) = Register(tmp_path / "in-flight", 2).left
    assert (found.id, found.requested_model, found.user) == (entry(1).id, "", None)


def test_a_torn_entry_is_passed_over(tmp_path: Path) -> None:
    register = Register(tmp_path / "in-flight", 3)
    register.enter(entry(1))
    register.enter(entry(2))
    register.close()
    with (tmp_path / "in-flight").open("r+b") as file:
        file.seek(10)
        file.write(b"\xff\x00{")
    register = Register(tmp_path / "in-flight", 3)
    assert [found.id for _, found in register.left] == [entry(2).id]
    register.close()


async def test_a_dead_workers_calls_are_journalled_as_lost_but_for_those_on_record(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append(record(1))
    journal.write_pending()
    for number in (1, 2):  # death came between the record of 1 and its release
        journal.register.enter(entry(number))
    await journal.close()
    for _ in range(2):  # and at the second start nothing is left
        journal = Journal(tmp_path)
        await until(lambda journal=journal: journal.written == 2)
        reader = JournalReader(journal)
        reader.rewind(0)
        lines, _ = reader.read(10)
        reader.close()
        await journal.close()
    found = msgspec.json.decode(lines[1])
    assert (found["id"], found["outcome"], found["status"], found["estimated"]) == (entry(2).id, "lost", 0, True)
    assert (found["usage"], found["cost_nano"]) == ({"input": 101, "output": 30}, 131_000)


async def test_what_cannot_be_read_of_a_dead_workers_calls_is_set_aside_and_stops_no_start(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append(record(1))
    journal.write_pending()
    spoilt = [entry(2, asked=Raw(b"[1,2,3]")), entry(3, id="no-uuid"), entry(4)]
    for one in spoilt:
        journal.register.enter(one)
    await journal.close()
    (segment,) = tmp_path.glob("0*.jsonl")
    segment.write_bytes(b"\x00" * 10 + segment.read_bytes()[10:])
    journal = Journal(tmp_path)
    await until(lambda: journal.written == 3)
    assert journal.refused == 1
    await journal.close()
    assert [msgspec.json.decode(line)["id"] for line in segment.read_bytes().splitlines()[1:]] == [
        "no-uuid",
        entry(4).id,
    ]
    assert entry(2).id in (tmp_path / "refused.jsonl").read_text()
    journal = Journal(tmp_path)
    assert (journal.written, journal.refused, journal.register.left) == (3, 1, [])
    await journal.close()


async def test_a_record_that_is_refused_leaves_no_slot_behind(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = gateway.worker.journal
    append = journal.append

    def refuse(record: object, slot: int = NO_SLOT) -> None:
        raise ValueError("no")

    monkeypatch.setattr(journal, "append", refuse)
    with contextlib.suppress(asyncio.IncompleteReadError, TimeoutError):
        await asyncio.wait_for(gateway.ask(post()), 1)
    monkeypatch.setattr(journal, "append", append)
    assert (await gateway.ask(post())).status == 200
    await until(lambda: len(journal.register._free) == journal.register._fresh)
    assert gateway.worker.gateway.metrics.in_flight == 0


async def test_each_call_leaves_the_register(gateway: Running) -> None:
    register = gateway.worker.journal.register
    gateway.provider.answers = [whole(), whole({"error": {"message": "no"}}, 400), whole()]
    for _ in range(3):
        await gateway.ask(post())
    await until(lambda: len(register._free) == 1)
    assert register._fresh == 1, "one slot served them all"


async def test_kill_9_books_what_was_in_the_air_as_lost_once(
    tmp_path: Path, provider: Provider, control: Control
) -> None:
    never = asyncio.Event()

    async def hang(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.json["messages"][0]["content"] == "Hi":
            writer.write(http(msgspec.json.encode(REPLY)))
        else:
            await never.wait()

    provider.answers = [hang]
    body = {**CHAT, "messages": [{"role": "user", "content": "wait" * 100}]}
    async with start(control, tmp_path) as process:
        assert (await ask(process.port, post())).status == 200
        tries = [asyncio.create_task(ask(process.port, post(body, X_Request_Id=f"r{n}"))) for n in range(5)]
        await until(lambda: len(provider.requests) == 6)
        process.kill()
        await process.ended()
        assert all(isinstance(end, Exception) for end in await asyncio.gather(*tries, return_exceptions=True))
    for _ in range(2):
        async with start(control, tmp_path):
            records = await control.wait_for_records(6)
    lost = [one for one in records if one.outcome == "lost"]
    assert sorted(one.request_id for one in lost) == [f"r{n}" for n in range(5)]
    assert {one.usage.output for one in lost} == {12}, "what this model usually writes"
    sent = len(provider.requests[-1].body)
    tokens = lost[0].usage.input
    assert abs(tokens - sent / 4) < 20
    assert lost[0].cost_nano == (tokens * PRICE.input + 12 * PRICE.output) // 10**6
    never.set()


async def test_a_hung_up_whole_call_is_booked_by_what_the_model_usually_writes(gateway: Running) -> None:
    assert (await gateway.ask(post())).status == 200
    held = asyncio.Event()

    async def hold(request: Request, writer: asyncio.StreamWriter) -> None:
        await held.wait()

    gateway.provider.answers = [hold]
    client = await gateway.connect()
    client.send(post())
    await until(lambda: len(gateway.provider.requests) == 2)
    await asyncio.sleep(0.05)  # longer than the first call took
    client.close()
    records = await gateway.control.wait_for_records(2)
    assert (records[1].outcome, records[1].estimated, records[1].usage.output) == ("cancelled", True, 12)
    held.set()
