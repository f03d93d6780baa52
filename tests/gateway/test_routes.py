"""Which key and address a call goes out with when the configuration is edited while it is under way."""

from pathlib import Path

from llm.core.routing import Catalogue, Deployment
from llm.core.snapshot import Model, Provider, ProviderKey, Snapshot
from llm.gateway.gateway import Gateway
from llm.gateway.journal import Journal
from llm.gateway.settings import Settings


def snapshot(version: int, address: str, secret: str) -> Snapshot:
    provider = Provider("one", "openai", "openai", address, keys=(ProviderKey("1", secret),))
    return Snapshot(version, 0, (provider,), (Model("m", "one", "m"),))


def deployment(gateway: Gateway) -> Deployment:
    catalogue: Catalogue | None = gateway.catalogue
    assert catalogue is not None
    return catalogue.names["m"][0]


async def test_a_call_from_before_an_edit_does_not_bring_the_old_key_back(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    gateway = Gateway(Settings(), Journal(tmp_path / "journal"))
    gateway.configure(snapshot(1, "http://old.test/v1", "sk-old"))
    old = deployment(gateway)
    gateway.configure(snapshot(2, "http://new.test/v1", "sk-new"))
    (stale,) = gateway.routes(old)
    (fresh,) = gateway.routes(deployment(gateway))
    assert stale.key is not None and fresh.key is not None
    assert (stale.key.secret, fresh.key.secret) == ("sk-old", "sk-new")
    head = fresh.head("/chat/completions")
    assert b"new.test" in head and b"old.test" not in head
