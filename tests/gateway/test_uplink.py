"""The uplink from the gateway's side: what comes down is served by, what goes up is booked once, whatever breaks."""

import asyncio
import time

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from llm.core.uplink import SUBPROTOCOL
from llm.gateway import gateway as gateway_module
from llm.gateway.settings import Settings
from llm.gateway.worker import Worker
from tests.gateway.client import CHAT, ask, get, post
from tests.gateway.conftest import Running, until
from tests.gateway.control import SECRET, Control, snapshot
from tests.gateway.provider import Provider


async def test_the_gateway_says_who_it_is(gateway: Running) -> None:
    (hello,) = gateway.control.hellos
    assert (hello.gateway, hello.snapshot_version) == ("gateway-0", 0)


async def test_a_new_snapshot_is_served_by_at_once(gateway: Running) -> None:
    await gateway.configure(snapshot(gateway.provider.url, 2, id="claude-9"))
    assert (await gateway.ask(post({**CHAT, "model": "claude-9"}))).status == 200
    assert (await gateway.ask(post())).status == 404


async def test_an_older_snapshot_on_the_same_connection_is_passed_over(gateway: Running) -> None:
    await gateway.configure(snapshot(gateway.provider.url, 5))
    await gateway.control.push(snapshot(gateway.provider.url, 4, id="old"))
    await gateway.configure(snapshot(gateway.provider.url, 6, id="new"))
    assert (await gateway.ask(post({**CHAT, "model": "old"}))).status == 404


async def test_observations_come_each_second(gateway: Running) -> None:
    await gateway.ask(post())
    await gateway.ask(post({}))
    await until(lambda: gateway.control.observations and gateway.control.observations[-1].requests == 2)
    seen = gateway.control.observations[-1]
    assert (seen.requests, seen.errors, seen.in_flight) == (2, 0, 0)
    assert seen.providers["acme"].requests == 1
    assert seen.providers["acme"].latency_us_total > 0


async def test_many_records_arrive_once_each_and_in_order(gateway: Running) -> None:
    await asyncio.gather(*(gateway.ask(post()) for _ in range(100)))
    records = await gateway.control.wait_for_records(100)
    assert gateway.control.numbers == list(range(1, 101))
    assert len({record.id for record in records}) == 100


async def test_without_acknowledgement_the_next_batch_waits(gateway: Running) -> None:
    gateway.control.acknowledging = False
    await gateway.ask(post())
    await gateway.control.wait_for_records(1)
    await gateway.ask(post())
    await asyncio.sleep(0.2)
    assert gateway.control.numbers == [1]
    assert (await gateway.ask(get("/health"))).json["journal"]["lag"] == 2


async def test_the_gateway_serves_on_while_control_is_away_and_catches_up(gateway: Running) -> None:
    await gateway.ask(post())
    await gateway.control.wait_for_records(1)
    await gateway.control.stop()
    await until(lambda: not gateway.worker.uplink.connected)
    for _ in range(5):
        assert (await gateway.ask(post())).status == 200
    health = (await gateway.ask(get("/health"))).json
    assert (health["status"], health["problems"]) == ("degraded", ["the control plane is not connected"])
    assert health["journal"]["lag"] == 5
    assert (await gateway.ask(get("/ready"))).status == 200
    await gateway.control.start()
    records = await gateway.control.wait_for_records(6)
    assert [record.number for record in records] == [1, 2, 3, 4, 5, 6]
    assert (await gateway.ask(get("/health"))).json["status"] == "ok"
    assert gateway.control.hellos[-1].snapshot_version == 1


async def test_records_that_were_never_acknowledged_come_again(gateway: Running) -> None:
    gateway.control.acknowledging = False
    await gateway.ask(post())
    await gateway.control.wait_for_records(1)
    await gateway.control.stop()
    gateway.control.acknowledging = True
    await gateway.control.start()
    await until(lambda: gateway.control.numbers == [1, 1])
    await until(lambda: gateway.worker.journal.lag == 0)
    assert len(gateway.control.records) == 1, "the same id: booked once"


async def test_a_restored_control_plane_may_count_from_one_again(gateway: Running) -> None:
    await gateway.configure(snapshot(gateway.provider.url, 50))
    await gateway.control.stop()
    gateway.control.snapshot = snapshot(gateway.provider.url, 3, id="restored")
    await gateway.control.start()
    await until(lambda: gateway.worker.gateway.catalogue.version == 3)  # type: ignore[union-attr]


async def test_nonsense_from_control_is_survived(gateway: Running) -> None:
    for socket in list(gateway.control._sockets):
        await socket.send('{"type":"nonsense"}')
    await until(lambda: len(gateway.control.hellos) == 2)
    assert (await gateway.ask(post())).status == 200


async def test_a_snapshot_that_cannot_be_used_leaves_the_last_one_and_the_uplink(gateway: Running) -> None:
    new = snapshot(gateway.provider.url, 2)
    (provider,) = new.providers
    unknown = msgspec.structs.replace(provider, dialect="of-a-newer-release")
    await gateway.control.push(msgspec.structs.replace(new, providers=(unknown,)))
    await until(lambda: not gateway.worker.uplink.connected)
    assert (await gateway.ask(post())).status == 200
    await gateway.control.wait_for_records(1)
    await gateway.configure(snapshot(gateway.provider.url, 3))
    assert gateway.worker.uplink.connected
    assert len(gateway.control.hellos) == 1, "on the same connection"


async def test_until_the_first_snapshot_requests_wait_for_it(settings: Settings, provider: Provider) -> None:
    async with Control() as control:
        worker = Worker(msgspec.structs.replace(settings, uplink_url=control.url))
        port = await worker.start()
        waiting = asyncio.create_task(ask(port, post()))
        assert (await ask(port, get("/ready"))).status == 503
        assert (await ask(port, get("/health"))).json["problems"][0] == "no configuration yet"
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await until(lambda: control.hellos)
        await control.push(snapshot(provider.url))
        assert (await waiting).status == 200
        await worker.stop()


async def test_without_any_snapshot_the_answer_is_503_with_a_time_to_come_back(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_module, "SNAPSHOT_WAIT_SECONDS", 0.2)
    worker = Worker(msgspec.structs.replace(settings, uplink_url="ws://127.0.0.1:9/uplink"))
    port = await worker.start()
    started = time.monotonic()
    answer = await ask(port, post())
    assert 0.2 <= time.monotonic() - started < 1
    assert (answer.status, answer.error["code"], answer.headers["retry-after"]) == (503, "no_configuration", "5")
    await worker.stop()


async def test_a_wrong_secret_gets_no_configuration(settings: Settings, provider: Provider) -> None:
    async with Control(snapshot(provider.url)) as control:
        wrong = msgspec.structs.replace(settings, uplink_url=control.url, uplink_secret=SECRET[::-1])
        worker = Worker(wrong)
        await worker.start()
        await asyncio.sleep(0.3)
        assert worker.gateway.catalogue is None
        await worker.stop()


async def test_a_full_journal_refuses_new_calls_and_keeps_the_old(gateway: Running) -> None:
    await gateway.control.stop()
    gateway.worker.journal._limit_bytes = 1_500
    statuses = [(await gateway.ask(post())).status for _ in range(6)]
    assert statuses[0] == 200
    assert statuses[-1] == 503
    answered = statuses.count(200)
    assert (await gateway.ask(get("/ready"))).status == 503
    await gateway.control.start()
    assert len(await gateway.control.wait_for_records(answered)) == answered


async def test_too_many_calls_at_once_are_refused(gateway: Running) -> None:
    gateway.worker.gateway.settings = msgspec.structs.replace(gateway.worker.gateway.settings, max_concurrent=3)
    answered = asyncio.Event()

    async def hold(request: object, writer: object) -> None:
        await answered.wait()

    gateway.provider.answers = [hold]
    waiting = [asyncio.create_task(gateway.ask(post())) for _ in range(3)]
    await until(lambda: len(gateway.provider.requests) == 3)
    refused = await gateway.ask(post())
    assert (refused.status, refused.error["code"], refused.headers["retry-after"]) == (503, "overloaded", "1")
    gateway.provider.drop_connections()
    await asyncio.gather(*waiting)


async def test_a_record_that_can_never_be_booked_is_set_aside_and_blocks_no_other(gateway: Running) -> None:
    gateway.control.poison = {"odd-3"}
    await gateway.control.stop()
    for number in range(8):
        assert (await gateway.ask(post(X_Request_Id=f"odd-{number}"))).status == 200
    await gateway.control.start()
    await until(lambda: gateway.worker.journal.lag == 0, 30)
    booked = {record.request_id for record in gateway.control.records.values()}
    assert booked == {f"odd-{number}" for number in range(8)} - {"odd-3"}
    (line,) = (gateway.worker.journal.folder / "refused.jsonl").read_text().splitlines()
    assert '"request_id":"odd-3"' in line
    health = (await gateway.ask(get("/health"))).json
    assert health["problems"] == ["1 records could not be booked; see refused.jsonl in the journal"]


@pytest.mark.parametrize("code", [4008, 4011, 403])
async def test_an_uplink_that_is_refused_for_long_costs_nothing(
    gateway: Running, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """The control plane is there and refuses (its secret was changed, or its database is away): calls go on, are kept, and
    go up in order once it takes them; a refusal at the handshake is no reason to set a record aside."""
    monkeypatch.setattr("llm.gateway.uplink.LONGEST_PAUSE", 0.2)
    control, tried = gateway.control, 0

    async def refuse(socket: ServerConnection) -> None:
        nonlocal tried
        tried += 1
        await socket.close(code if code > 999 else 1008, "no")

    def at_the_door(connection: ServerConnection, request: object) -> object:
        nonlocal tried
        if code > 999:
            return None
        tried += 1
        return connection.respond(403, "no")

    await control.stop()
    protocols = [Subprotocol(SUBPROTOCOL)]
    async with serve(refuse, "127.0.0.1", control.port, subprotocols=protocols, process_request=at_the_door):  # type: ignore[arg-type]
        for number in range(5):
            assert (await gateway.ask(post(X_Request_Id=f"kept-{number}"))).status == 200
        await until(lambda: tried >= 5, 20)
        assert not (await gateway.ask(get("/health"))).json["uplink"]["connected"]
    await control.start()
    records = await control.wait_for_records(5, 20)
    assert [record.request_id for record in records] == [f"kept-{number}" for number in range(5)]
    assert gateway.worker.journal.refused == 0
