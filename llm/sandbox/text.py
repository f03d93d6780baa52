"""The sandbox's two rules about text: how many tokens it counts, and in which pieces it streams.

One token is four bytes of UTF-8, rounded up per text: simple enough to check by hand, close enough to real tokenizers
to try out money with. Pieces are words with the space before them; joined, they are the text again.
"""

import re

BYTES_PER_TOKEN = 4
TOKENS_PER_MESSAGE = 3
"""Added to every message, for its role and its borders."""
TOKENS_PER_MEDIUM = 85
"""What an image, an audio clip or a file counts, whatever its size."""
QUOTED_CHARACTERS = 2000
"""An answer quotes at most this much of the prompt."""

LARGE = 1024 * 1024
"""A text of more characters than this streams in pieces of `LARGE_PIECE`: huge replies are made of huge events."""
LARGE_PIECE = 64 * 1024

_PIECE = re.compile(r"\s{0,64}\S{1,64}|\s+")


def count_tokens(text: str) -> int:
    """Tokens of one text; zero for an empty one."""
    return (len(_bytes(text)) + BYTES_PER_TOKEN - 1) // BYTES_PER_TOKEN


def first_tokens(text: str, limit: int) -> str:
    """The longest beginning of `text` that counts at most `limit` tokens and cuts no character."""
    return _bytes(text)[: limit * BYTES_PER_TOKEN].decode("utf-8", "ignore")


def pieces(text: str) -> list[str]:
    """The text word by word, each with the space before it, in parts of 64 characters where a word is longer."""
    if len(text) > LARGE:
        return [text[start : start + LARGE_PIECE] for start in range(0, len(text), LARGE_PIECE)]
    return _PIECE.findall(text)


def until_stop(text: str, stops: tuple[str, ...]) -> str:
    """The text up to the first place where any of `stops` begins."""
    found = [place for stop in stops if stop and (place := text.find(stop)) >= 0]
    return text[: min(found)] if found else text


def sentence(prompt: str) -> str:
    """What the sandbox says of itself and of the prompt."""
    quoted = prompt if len(prompt) <= QUOTED_CHARACTERS else prompt[:QUOTED_CHARACTERS] + "…"
    return f"This is the Circuit Breaker sandbox, not a language model. You said: {quoted}"


def counted_words(number: int) -> str:
    """An answer of exactly `number` words, for tests and benchmarks that need a length."""
    return " ".join(f"word{index}" for index in range(1, number + 1))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
