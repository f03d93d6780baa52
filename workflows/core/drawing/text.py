"""How wide text is, and where it breaks. There is no font here, so widths are estimated, a little too wide on purpose.

The figures are the advance widths of common sans-serif faces, in parts of the font size. Next: `sketch.py`.
"""

import unicodedata

ELLIPSIS = "…"
_NARROW = frozenset("iljtfrI.,:;'|!()[]{}-\"` /\\")
_BROAD = frozenset("mwMW@%&")


def width(text: str, size: float) -> float:
    """Pixels a line takes at `size` pixels."""
    return sum(map(_advance, text)) * size


def shorten(text: str, size: float, room: float) -> str:
    """The text, cut to `room` pixels with an ellipsis where it does not fit."""
    if width(text, size) <= room:
        return text
    while text and width(text + ELLIPSIS, size) > room:
        text = text[:-1]
    return text.rstrip() + ELLIPSIS


def wrap(text: str, size: float, room: float, lines: int) -> tuple[str, ...]:
    """At most `lines` lines of at most `room` pixels, broken at spaces, `_`, `-` and `.` where possible."""
    broken: list[str] = []
    line = ""
    for piece in _pieces(text):
        if line and width((line + piece).rstrip(), size) > room:
            broken.append(line.rstrip())
            line = ""
        line += piece
    broken.append(line.rstrip())
    if len(broken) > lines:
        broken[lines - 1 :] = ["".join(broken[lines - 1 :])]
    return tuple(shorten(each, size, room) for each in broken)


def printable(text: str) -> str:
    """The text without what XML 1.0 cannot hold, and on one line."""
    one_line = (" " if each in "\t\n\r" else each for each in text)
    return "".join("\ufffd" if _unprintable(each) else each for each in one_line)


def _unprintable(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs") or character in "\ufffe\uffff"


def _pieces(text: str) -> list[str]:
    pieces, piece = [], ""
    for each in text:
        piece += each
        if each in " _-./":
            pieces.append(piece)
            piece = ""
    return [*pieces, piece] if piece else pieces


def _advance(character: str) -> float:
    if character in _NARROW:
        return 0.36
    if character in _BROAD:
        return 0.92
    if unicodedata.combining(character):
        return 0.0
    if unicodedata.east_asian_width(character) in "WF":
        return 1.05
    return 0.7 if character.isupper() else 0.6
