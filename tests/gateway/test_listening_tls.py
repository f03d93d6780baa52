"""TLS on the gateway's own port, and settings of both HTTP sides that reach where they are meant to."""

import asyncio
import ssl
from pathlib import Path

import pytest

from llm.gateway.certificates import CertificateError, listening_context, provider_context
from llm.gateway.http_limits import BOUND_SETTINGS, LIMIT_SETTINGS
from llm.gateway.settings import SettingsError, read_settings
from tests.gateway.certificates import certificate
from tests.gateway.client import CHAT, Client, get, post
from tests.gateway.control import Control
from tests.gateway.processes import start
from tests.gateway.provider import DONE, Provider, chunk, stream
from tests.gateway.test_process import ended_with


async def test_the_gateway_listens_with_tls(tmp_path: Path, provider: Provider, control: Control) -> None:
    file, secret = certificate(tmp_path, "127.0.0.1")
    trusting = ssl.create_default_context(cafile=str(file))
    provider.answers = [stream(chunk("Hi"), chunk(None, "stop"), DONE)]
    tls = {"GATEWAY_TLS_CERT": str(file), "GATEWAY_TLS_KEY": str(secret), "GATEWAY_MAX_HEADERS": "12"}
    async with start(control, tmp_path, **tls) as process:
        client = Client(*await asyncio.open_connection("127.0.0.1", process.port, ssl=trusting))
        client.send(get("/health") + post({**CHAT, "stream": True}))
        assert (await client.answer()).status == 200
        assert (await client.answer()).body.endswith(DONE)
        client.send(get("/health", **{f"X_{n}": "y" for n in range(12)}))
        assert (await client.answer()).status == 431, "limits are settings"
        client.close()
        plain = await Client.connect(process.port)
        plain.send(get("/health"))
        assert await plain.rest() == b"", "no plain HTTP on a TLS port"
        plain.close()


def test_certificates_that_cannot_be_used_are_one_clear_line(tmp_path: Path) -> None:
    file, secret = certificate(tmp_path, "127.0.0.1")
    with pytest.raises(CertificateError, match="GATEWAY_TLS_CERT"):
        listening_context(secret, None)
    with pytest.raises(CertificateError, match=r"PROVIDER_CA_FILE=.*key\.pem"):
        provider_context(secret)
    assert len(provider_context(file).get_ca_certs()) > 0
    said = ended_with(OPENAI_PORT="0", JOURNAL_DIR=str(tmp_path), GATEWAY_TLS_CERT=str(tmp_path / "none.pem"))
    assert said.startswith("gateway: GATEWAY_TLS_CERT=")
    assert "No such file" in said


def test_every_limit_is_read_and_bounded() -> None:
    for table, where in ((LIMIT_SETTINGS, "limits"), (BOUND_SETTINGS, "bounds")):
        for name, (field, least, most) in table.items():
            settings = read_settings({name: f"{most:g}" if isinstance(most, float) else str(most)})
            assert getattr(getattr(settings, where), field) == most, name
            with pytest.raises(SettingsError, match=name):
                read_settings({name: str(least / 10 - 1)})


def test_a_key_without_a_certificate_is_refused() -> None:
    with pytest.raises(SettingsError, match="GATEWAY_TLS_CERT"):
        read_settings({"GATEWAY_TLS_KEY": "key.pem"})
