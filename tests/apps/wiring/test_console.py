"""The shared terminal: whole lines with names, nothing waits for it, and its end ends nothing else."""

import asyncio
import io
import threading

import pytest

from circuit_breaker import console
from circuit_breaker.console import MAX_LINE, Console


def reader(data: bytes) -> asyncio.StreamReader:
    stream = asyncio.StreamReader()
    stream.feed_data(data)
    stream.feed_eof()
    return stream


async def test_each_line_bears_its_writers_name() -> None:
    out = io.StringIO()
    terminal = Console(out)
    terminal.say("hello")
    await terminal.copy("gateway", reader(b"one\ntwo\nunfinished"))
    terminal.close()
    assert out.getvalue() == "hello\ngateway   | one\ngateway   | two\ngateway   | unfinished\n"


async def test_a_line_without_end_is_cut_and_bytes_that_are_no_text_are_shown() -> None:
    out = io.StringIO()
    terminal = Console(out)
    await terminal.copy("x", reader(b"\xff" + b"a" * (MAX_LINE + 5)))
    terminal.close()
    first, second = out.getvalue().splitlines()
    assert first.startswith("x         | \ufffda")
    assert len(first) + len(second) == MAX_LINE + 6 + 2 * len("x         | ")


def test_a_terminal_that_blocks_drops_lines_and_says_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "MAX_WAITING", 10)
    writing, go = threading.Event(), threading.Event()

    class Paused(io.StringIO):
        def write(self, text: str) -> int:
            writing.set()
            go.wait(5)
            return super().write(text)

    out = Paused()
    terminal = Console(out)
    terminal.say("first")
    assert writing.wait(5)
    for number in range(30):
        terminal.say(str(number))
    go.set()
    while terminal._lines.qsize() > 8:
        pass
    terminal.say("last")
    terminal.close()
    lines = out.getvalue().splitlines()
    assert lines[:11] == ["first", *map(str, range(10))]
    assert lines[11:] == ["(20 lines were dropped: the terminal was too slow)", "last"]


def test_a_closed_terminal_is_no_trouble() -> None:
    out = io.StringIO()
    terminal = Console(out)
    out.close()
    for number in range(20_000):
        terminal.say(str(number))
    terminal.close()
    assert not terminal._thread.is_alive()
