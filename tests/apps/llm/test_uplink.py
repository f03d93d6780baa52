"""The control side of the uplink: who may, what is pushed and when, what is acknowledged, what is refused."""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest
from asgiref.testing import ApplicationCommunicator
from channels.db import database_sync_to_async
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.db import OperationalError
from django.test import override_settings
from django.urls import path
from django.utils import timezone

from billing.core.keys import ApiKeySettings, Limits
from billing.models import Call, DailyUsage
from billing.services import create_key, revoke_key
from llm import services, snapshots
from llm.consumers import UplinkConsumer
from llm.consumers import uplink as consumers
from llm.core.snapshot import Snapshot
from llm.core.uplink import (
    SUBPROTOCOL,
    Down,
    Fleet,
    Hello,
    KeysRevoked,
    LeaseAsk,
    LeaseGrant,
    LeaseReturn,
    LeaseState,
    Observation,
    SnapshotPush,
    UsageAck,
    UsageBatch,
)
from llm.models import GatewayState, Model, Provider, ProviderKey
from tests.apps.billing.records import a_record
from tests.apps.llm.test_gateways import a_hello, an_observation

pytestmark = pytest.mark.django_db(transaction=True)
application = URLRouter([path("uplink", UplinkConsumer.as_asgi())])
encode = msgspec.json.encode


class Uplink(WebsocketCommunicator):
    """A gateway's end.

    Sends and receives as asgiref does: Channels' own communicator keeps database connections from being given back
    meanwhile, which would empty the pool.
    """

    send_input = ApplicationCommunicator.send_input
    receive_output = ApplicationCommunicator.receive_output

    def __init__(self, secret: str | None = None, subprotocol: str = SUBPROTOCOL) -> None:
        token = f"Bearer {settings.UPLINK_SECRET if secret is None else secret}"
        super().__init__(application, "/uplink", [(b"authorization", token.encode())], [subprotocol])

    async def say(self, message: Any) -> None:
        await self.send_to(text_data=encode(message).decode())

    async def hear(self, timeout: float = 2) -> SnapshotPush | KeysRevoked | UsageAck | LeaseGrant:
        """The next message that is not about the number of gateways."""
        while True:
            message = msgspec.json.decode(await self.receive_from(timeout), type=Down)
            if not isinstance(message, Fleet):
                return message  # type: ignore[no-any-return]

    async def hear_fleet(self) -> Fleet:
        return msgspec.json.decode(await self.receive_from(2), type=Fleet)

    async def hear_snapshot(self, timeout: float = 2) -> Snapshot:
        message = await self.hear(timeout)
        assert isinstance(message, SnapshotPush)
        return message.snapshot

    async def closed_with(self) -> int:
        message = await self.receive_output(2)
        assert message["type"] == "websocket.close"
        return int(message["code"])


@pytest.fixture(autouse=True)
def _new_keeper(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a control process that has just started."""
    monkeypatch.setattr(consumers, "_keeper", None)
    monkeypatch.setattr(consumers, "_members", set())


@pytest.fixture
async def uplink() -> AsyncIterator[Uplink]:
    """A gateway that has said hello and holds the snapshot."""
    await in_database(services.seed_catalogue)
    gateway = Uplink()
    assert await gateway.connect() == (True, SUBPROTOCOL)
    await gateway.say(a_hello())
    await gateway.hear_snapshot()
    yield gateway
    await gateway.disconnect()


async def in_database(call: Callable[..., Any], *args: Any) -> Any:
    # Not Django's own async queries: they would leave a connection of the pool behind on a thread that ends.
    return await database_sync_to_async(call)(*args)


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait up to two seconds for it."""
    for _ in range(100):
        if await in_database(condition):
            return
        await asyncio.sleep(0.02)
    pytest.fail("it did not come to pass within two seconds")


@pytest.mark.parametrize("secret", ["", "wrong", "ü"])
async def test_wrong_secret_is_refused_before_the_handshake(secret: str) -> None:
    accepted, _ = await Uplink(secret=secret).connect()
    assert not accepted


async def test_no_header_and_wrong_protocol_are_refused() -> None:
    assert not (await WebsocketCommunicator(application, "/uplink", [], [SUBPROTOCOL]).connect())[0]
    assert not (await Uplink(subprotocol="graphql-ws").connect())[0]


async def test_an_empty_secret_lets_nobody_in() -> None:
    with override_settings(UPLINK_SECRET=""):
        assert not (await Uplink().connect())[0]


async def test_hello_is_answered_with_the_snapshot_at_once() -> None:
    await in_database(services.seed_catalogue)
    await in_database(services.sync_environment, {"OPENAI_API_KEY": "sk-for-the-gateway"})
    gateway = Uplink()
    await gateway.connect()
    await gateway.say(a_hello())
    snapshot = await gateway.hear_snapshot(0.4)
    assert [key.secret for key in snapshot.providers[0].keys] == ["sk-for-the-gateway"]
    await eventually(GatewayState.objects.filter(gateway="gateway-0", pid=1, connected=True).exists)
    await gateway.disconnect()
    assert not (await in_database(GatewayState.objects.get)).connected


async def test_an_edit_is_pushed_within_a_second(uplink: Uplink) -> None:
    provider = await in_database(lambda: Provider.objects.get(slug="openai"))
    started = time.monotonic()
    key = ProviderKey(provider=provider, label="new")
    await in_database(services.save_key, key, "sk-new-0000")
    snapshot = await uplink.hear_snapshot(1)
    assert time.monotonic() - started < 1
    assert [(p.name, p.keys[0].secret) for p in snapshot.providers] == [("openai", "sk-new-0000")]


async def test_an_edit_of_another_process_is_pushed_within_a_second(
    uplink: Uplink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the hint of the channel layer, which crosses no process unless Redis is there."""
    monkeypatch.setattr("llm.services.configuration.get_channel_layer", lambda: None)
    model = await in_database(lambda: Model.objects.get(model_id="gpt-4"))
    model.input_price = 1
    await in_database(services.save_model, model, ["input_price"])
    snapshot = await uplink.hear_snapshot(1)
    assert next(model.price for model in snapshot.models if model.id == "gpt-4").input == 1  # type: ignore[union-attr]


async def test_a_revoked_key_is_told_ahead_of_a_snapshot_that_takes_long(
    uplink: Uplink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With many keys building takes seconds, and one may be under way that still has the key. No hint: two processes."""
    row, _ = await in_database(create_key, ApiKeySettings("ci"))
    assert row.digest in {key.digest for key in (await uplink.hear_snapshot()).api_keys}
    build, begun = snapshots.build_snapshot, threading.Event()

    def slowly() -> Snapshot:
        built = build()
        begun.set()
        time.sleep(2)
        return built

    monkeypatch.setattr(snapshots, "build_snapshot", slowly)
    await in_database(create_key, ApiKeySettings("another"))
    assert await asyncio.to_thread(begun.wait, 2)
    monkeypatch.setattr("billing.services.keys._announce", lambda: None)
    started = time.monotonic()
    await in_database(revoke_key, str(row.pk))
    assert await uplink.hear() == KeysRevoked((row.digest,))
    assert time.monotonic() - started < 1
    assert row.digest in {key.digest for key in (await uplink.hear_snapshot(3)).api_keys}, "the one under way"
    assert row.digest not in {key.digest for key in (await uplink.hear_snapshot(3)).api_keys}


async def test_gateways_that_ask_together_share_one_building(uplink: Uplink, monkeypatch: pytest.MonkeyPatch) -> None:
    others = [Uplink() for _ in range(2)]
    for number, other in enumerate(others, 1):
        await other.connect()
        await other.say(a_hello(f"gateway-{number}"))
        await other.hear_snapshot()
    build, count = snapshots.build_snapshot, []

    def counted() -> Snapshot:
        count.append(1)
        time.sleep(0.5)
        return build()

    monkeypatch.setattr(snapshots, "build_snapshot", counted)
    await in_database(create_key, ApiKeySettings("ci"))
    heard = [await one.hear_snapshot() for one in (uplink, *others)]
    assert len({snapshot.taken_at for snapshot in heard}) == len(count) == 1
    for other in others:
        await other.disconnect()


async def test_nothing_is_pushed_when_nothing_changed(uplink: Uplink) -> None:
    await in_database(services.seed_catalogue)
    assert await uplink.receive_nothing(1.2)


async def test_a_batch_is_booked_and_acknowledged_also_when_sent_twice(uplink: Uplink) -> None:
    records = (a_record(number=41), a_record(number=42))
    for _ in range(2):
        await uplink.say(UsageBatch(records))
        assert await uplink.hear() == UsageAck(42)
    assert await in_database(Call.objects.count) == 2
    row = await in_database(DailyUsage.objects.get)
    assert (row.requests, row.cost_nano) == (2, 12_000_000)
    assert (await in_database(Call.objects.first)).gateway == "gateway-0"


async def test_when_the_database_fails_nothing_is_acknowledged_and_the_socket_closes(
    uplink: Uplink, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(records: object, gateway: str) -> int:
        raise OperationalError("the database is gone")

    monkeypatch.setattr(consumers, "book", broken)
    with caplog.at_level(logging.ERROR):
        await uplink.say(UsageBatch((a_record(),)))
        assert await uplink.closed_with() == 4011
    assert "a batch of 1 records from gateway-0 was not booked" in caplog.text


async def test_an_outage_of_the_database_is_said_once_and_the_push_comes_after_it(
    uplink: Uplink, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> int:
        raise OperationalError("the database is gone")

    with monkeypatch.context() as outage, caplog.at_level(logging.ERROR):
        outage.setattr("llm.snapshots.configuration_version", broken)
        assert await uplink.receive_nothing(1.6)
    assert caplog.text.count("the configuration could not be read") == 1
    await in_database(services.sync_environment, {"OPENAI_API_KEY": "sk-1"})
    assert [provider.name for provider in (await uplink.hear_snapshot(1)).providers] == ["openai"]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("", 4007),
        ("{", 4007),
        ("[]", 4007),
        ('{"type":"unknown"}', 4007),
        ('{"type":"usage","records":[{}]}', 4007),
        ('{"type":"usage","records":7}', 4007),
        ('{"type":"hello","gateway":"again","pid":1,"version":"x"}', 4008),
        ("x" * (consumers.MAX_FRAME_BYTES + 1), 4009),
    ],
)
async def test_malformed_frames_close_the_socket(uplink: Uplink, frame: str, code: int) -> None:
    await uplink.send_input({"type": "websocket.receive", "text": frame})
    assert await uplink.closed_with() == code


async def test_a_binary_frame_closes_the_socket(uplink: Uplink) -> None:
    await uplink.send_to(bytes_data=b"{}")
    assert await uplink.closed_with() == 4007


async def test_too_many_records_close_the_socket(uplink: Uplink) -> None:
    await uplink.say(UsageBatch(tuple(a_record() for _ in range(1_001))))
    assert await uplink.closed_with() == 4008
    assert await in_database(Call.objects.count) == 0


@pytest.mark.parametrize(
    "message", [UsageBatch(()), an_observation(), Hello(gateway="", pid=1, version=""), Hello("x" * 201, 1, "")]
)
async def test_whoever_does_not_say_a_proper_hello_first_is_closed(message: Any) -> None:
    gateway = Uplink()
    await gateway.connect()
    await gateway.say(message)
    assert await gateway.closed_with() == 4008


async def test_whoever_says_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "HELLO_SECONDS", 0.1)
    gateway = Uplink()
    await gateway.connect()
    assert await gateway.closed_with() == 4008


async def test_observations_are_kept_and_too_frequent_ones_dropped(uplink: Uplink) -> None:
    await uplink.say(an_observation(requests=1))
    await uplink.say(an_observation(requests=2))
    await eventually(GatewayState.objects.filter(requests=1).exists)
    await asyncio.sleep(0.1)
    assert not await in_database(GatewayState.objects.filter(requests=2).exists)


async def test_impossible_observation_is_logged_and_the_socket_lives(
    uplink: Uplink, caplog: pytest.LogCaptureFixture
) -> None:
    seen: Observation = an_observation(requests=10**30)
    with caplog.at_level(logging.ERROR):
        await uplink.say(seen)
        await uplink.say(UsageBatch((a_record(number=3),)))
        assert await uplink.hear() == UsageAck(3)
        await eventually(lambda: "an observation from gateway-0 was not written down" in caplog.text)


async def test_no_secret_is_logged(uplink: Uplink, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await in_database(services.sync_environment, {"OPENAI_API_KEY": "sk-never-in-a-log"})
        await uplink.hear_snapshot(1)
        await Uplink(secret="guessed-secret").connect()
    assert "never-in-a-log" not in caplog.text
    assert "guessed-secret" not in caplog.text
    assert settings.UPLINK_SECRET not in caplog.text


LIMITED = Limits(requests_per_minute=2, concurrent_requests=1)


async def test_leases_hold_over_all_gateways_and_pass_a_slow_booking(
    uplink: Uplink, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Uplink()
    await other.connect()
    await other.say(a_hello(gateway="gateway-1"))
    await other.hear_snapshot()
    booking = threading.Event()
    monkeypatch.setattr(consumers, "book", lambda records, gateway: booking.wait(5) and 7)
    for one in (uplink, other):
        await one.say(LeaseState())
    await uplink.say(UsageBatch((a_record(),)))
    granted = []
    for number, one in enumerate((uplink, other, uplink)):
        await one.say(LeaseAsk(number, "key:77", LIMITED, requests=1))
        granted.append(await one.hear())
    assert [(one.number, one.granted, one.lacking) for one in granted] == [  # type: ignore[union-attr]
        (0, True, ""), (1, True, ""), (2, False, "requests"),
    ]  # fmt: skip
    booking.set()
    assert await uplink.hear() == UsageAck(7)
    await uplink.say(LeaseAsk(3, "key:78", Limits(concurrent_requests=1), slots=1))
    assert (await uplink.hear()).granted  # type: ignore[union-attr]
    await uplink.say(LeaseReturn("key:78", slots=1))
    await other.say(LeaseState())
    await uplink.say(LeaseAsk(4, "key:78", Limits(concurrent_requests=1), slots=1))
    assert (await uplink.hear()).granted  # type: ignore[union-attr]
    await other.disconnect()


async def test_a_gateway_hears_how_many_there_are(uplink: Uplink) -> None:
    await uplink.say(LeaseState())
    assert (await uplink.hear_fleet()).workers == 1
    other = Uplink()
    await other.connect()
    await other.say(a_hello(gateway="gateway-1"))
    await other.hear_snapshot()
    await other.say(LeaseState())
    assert (await uplink.hear_fleet()).workers == 2
    await other.disconnect()
    assert (await uplink.hear_fleet()).workers == 1


async def test_after_a_restart_nothing_is_leased_until_the_gateways_known_are_back() -> None:
    await in_database(services.connect_gateway, a_hello(gateway="gateway-9"), timezone.now())
    gateway = Uplink()
    await gateway.connect()
    await gateway.say(a_hello())
    await gateway.hear_snapshot()
    await gateway.say(LeaseState())
    await gateway.say(LeaseAsk(1, "key:77", LIMITED, requests=1))
    assert (await gateway.hear()).lacking == "keeper"  # type: ignore[union-attr]
    await gateway.disconnect()
