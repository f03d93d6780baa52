"""The optional machine code: used when it is of the present sources, passed over when it is not, the same either way."""

from pathlib import Path

import pytest

from llm.gateway import compiled
from tests.gateway.client import CHAT, ask, get, post
from tests.gateway.control import Control, snapshot
from tests.gateway.processes import start
from tests.gateway.provider import DONE, Provider, chunk, stream, usage_chunk, whole
from tests.services import need_program

USE = "from pathlib import Path; from llm.gateway import compiled; compiled.FOLDER = Path({!r})"


async def health(tmp_path: Path, folder: Path) -> bool:
    """What a gateway process that looks into `folder` says of itself."""
    async with Control() as control, start(control, tmp_path / "journal", USE.format(str(folder))) as process:
        said = (await ask(process.port, get("/health"), "GET")).json
        return bool(said["compiled"])


async def test_without_a_build_the_sources_are_run(tmp_path: Path) -> None:
    assert await health(tmp_path, tmp_path / "nothing") is False


async def test_a_build_of_other_sources_is_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "compiled"
    (folder / "llm" / "gateway").mkdir(parents=True)
    (folder / "llm" / "gateway" / "connection.py").write_text("raise RuntimeError('stale code was run')")
    (folder / "stamp").write_text("of yesterday")
    assert await health(tmp_path, folder) is False


def test_without_a_compiler_one_line_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "FOLDER", tmp_path / "compiled")
    monkeypatch.setenv("PATH", str(tmp_path))
    said = compiled.build_if_possible()
    assert said.startswith("The gateway will run as plain Python")
    assert "A C compiler is needed" in said and "\n" not in said
    assert not compiled.is_current()


def test_a_set_up_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need_program("cc")
    monkeypatch.setattr(compiled, "FOLDER", tmp_path / "compiled")
    monkeypatch.setattr(compiled, "PATIENCE", 0.2)
    assert "took over 0.2 seconds" in compiled.build_if_possible()
    assert not compiled.is_current()


async def test_a_gateway_of_compiled_modules_answers_and_books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need_program("cc")
    monkeypatch.setattr(compiled, "FOLDER", tmp_path / "compiled")
    compiled.build()
    before = USE.format(str(compiled.FOLDER))
    events = [chunk("Hel"), chunk("lo"), chunk(finish="stop"), usage_chunk(), DONE]
    ask_for_stream = {**CHAT, "stream": True}
    async with (
        Provider(whole(), stream(*events)) as provider,
        Control(snapshot(provider.url)) as control,
        start(control, tmp_path / "journal", before) as process,
    ):
        assert (await ask(process.port, get("/health"), "GET")).json["compiled"] is True
        answer = await ask(process.port, post())
        assert answer.json["choices"][0]["message"]["content"] == "Hello!"
        assert (await ask(process.port, post(ask_for_stream))).body == b"".join(events[:3]) + DONE
        assert (await ask(process.port, post(b"{"))).status == 400
        records = await control.wait_for_records(2)
    assert [(one.outcome, one.usage.output) for one in records] == [("ok", 12), ("ok", 12)]
