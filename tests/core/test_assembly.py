"""An answer that is held whole has a bound, whatever it is made of: a provider cannot fill the worker's memory."""

import pytest

from llm.core.assembly import Assembly
from llm.core.conversation import Image, Native, TokenLogprob
from llm.core.deltas import (
    ArgumentsDelta,
    Delta,
    ImageDelta,
    LogprobsDelta,
    NativeDelta,
    RefusalDelta,
    TextDelta,
    ThinkingDelta,
)
from llm.core.errors import ProviderBroken


@pytest.mark.parametrize(
    "delta",
    [
        TextDelta(0, 0, "ü" * 60),
        RefusalDelta(0, 0, "x" * 120),
        ThinkingDelta(0, 0, "x" * 120),
        ThinkingDelta(0, 0, "", "s" * 120),
        ThinkingDelta(0, 0, "", None, "r" * 120),
        ArgumentsDelta(0, 0, 0, "x" * 120),
        ImageDelta(0, 0, Image(data="x" * 120)),
        NativeDelta(0, 0, Native("google", {"x": "x" * 120})),
        LogprobsDelta(0, (TokenLogprob("x" * 120, -1.0),)),
    ],
    ids=lambda delta: type(delta).__name__,
)
def test_every_kind_of_delta_counts_towards_the_bound(delta: Delta) -> None:
    assembly = Assembly(1_000)
    with pytest.raises(ProviderBroken, match="longer than 1000 bytes"):
        for _ in range(9):
            assembly.add([delta])


def test_small_pieces_count_by_what_they_say() -> None:
    assembly = Assembly(1_000)
    assembly.add([TextDelta(0, 0, "x")] * 1_000)
    with pytest.raises(ProviderBroken):
        assembly.add([TextDelta(0, 0, "x")])
