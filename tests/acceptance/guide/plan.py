"""What becomes of each code block of the guide (`blocks.md`), and the page of the docs that says so.

    python -m tests.acceptance.guide.plan     writes docs/reference/guide-examples.md

`../test_guide.py` does what is said here, and fails if the page is not up to date.
"""

import re
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs" / "reference" / "guide-examples.md"
BLOCK = re.compile(r"^## (\d+)\. ([^\n]+)\n\n```(\w*)\n(.*?)^```", re.M | re.S)


@dataclass(frozen=True)
class Block:
    number: int
    title: str
    language: str
    code: str


BLOCKS = {int(m[1]): Block(int(m[1]), m[2], m[3], m[4]) for m in BLOCK.finditer((HERE / "blocks.md").read_text())}

CURL = (2, 3, 8, 10, 12, 19, 20, 21, 35, 46)
PYTHON = {
    14: "",
    36: "assert response.choices[0].message.content",
    48: "assert result",
    52: "assert circuit_breaker_client.models.list().data",
    54: "assert cost_aware_completion('Hello').choices[0].message.content",
    55: "assert robust_completion('Hello').choices[0].message.content",
    56: "assert TaskOptimizer().code_generation('Hi') and TaskOptimizer().data_analysis('Hi')",
    58: "assert stream_with_error_handling('Hello')",
    61: "assert client.models.list().data",
    62: "assert response.choices[0].message.content",
}
"""With what is asked of it once it has run: most of them define what a reader calls."""
JAVASCRIPT = (15, 23, 24, 49)
GRAPHQL = (17, 18, 33, 34)
SETTINGS = (29, 30, 31, 32, 37, 57)
SHAPES = (9, 11, 13, 26, 27)

CHECKED = {
    9: "an answer has every member shown",
    11: "a stream's events have every member shown, and end with `[DONE]`",
    13: "the list's entries have every member shown",
    16: "every field is in the exported schema, with these arguments and types",
    22: "sent as a request, with a message in place of `[...]`",
    25: "it is translated, and its subscription is run; the page around it needs a browser and React",
    26: "the events of `/v1/chat/completions` look like this",
    27: "the events of `/v1/messages` look like this",
    45: "GraphQL `metrics` has each of these figures",
    47: "it is read as YAML, and the address it scrapes answers",
    51: "each model name on either side is answered",
    60: "run by a shell, as printed",
}
NOT_RUN = {
    1: "builds the guide's own server, in Rust; here it is `make serve`",
    4: "a drawing",
    5: "a type in Rust, inside the guide's own server",
    6: "a type in Rust, inside the guide's own server",
    7: "a type in Rust, inside the guide's own server",
    28: "Google's streams are events here (`alt=sse`), not a JSON array",
    38: "`STORAGE_BACKEND=nats` is not served yet: the start says so",
    39: "installs a NATS server by Docker, Homebrew or download",
    40: "builds a container image",
    41: "runs a container",
    42: "runs containers, and asks for the storage `nats`, which is not served yet",
    43: "deploys to Kubernetes",
    44: "figures of the guide's own server; ours are in benchmarks/README.md",
    50: "for version 0 of the `openai` package",
    53: "has `...` where a reader's own arguments go",
    59: "builds the guide's own server, in Rust; here it is `make serve`",
}
RUN = (*CURL, *PYTHON, *JAVASCRIPT, *GRAPHQL)


def outcome(number: int) -> str:
    if number in NOT_RUN:
        return f"not run: {NOT_RUN[number]}"
    if number == 57:
        return "the settings are read and accepted, once `OPEN_TO_NETWORK=true` says that an open port is meant"
    if number in SETTINGS:
        return "the settings are read and accepted"
    return f"checked: {CHECKED[number]}" if number in CHECKED else "runs as printed"


def page() -> str:
    rows = [
        f"| {block.number} | {block.title} | {block.language or 'none'} | {outcome(block.number)} |"
        for block in BLOCKS.values()
    ]
    run = sum(outcome(number) == "runs as printed" for number in BLOCKS)
    return "\n".join(
        [
            "# The guide's examples",
            "",
            f"Each of the {len(BLOCKS)} code blocks of the users' guide, in its order, and what a test does with it against the running",
            f'product (`tests/acceptance/test_guide.py`). "As printed" is but for hosts and keys. {run} run as printed, {len(NOT_RUN)} are not',
            "run, the rest is checked as said. This page is written by `python -m tests.acceptance.guide.plan`.",
            "",
            "| # | under | language | here |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    PAGE.write_text(page())
