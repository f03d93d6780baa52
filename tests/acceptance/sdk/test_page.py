"""`docs/reference/openai-compatibility.md` shows the matrix as it is played, and every helper's test exists."""

import json
import re
from pathlib import Path

import openai

from tests.acceptance.sdk import test_python_helpers
from tests.acceptance.sdk.matrix import HELPERS, lines

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "openai-compatibility.md"


def test_the_page_is_the_matrix() -> None:
    told = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and not line.startswith("| what")]
    assert told == lines()


def test_the_page_names_the_versions_played() -> None:
    packages = json.loads((Path(__file__).parents[1] / "javascript" / "package.json").read_text())
    told = re.findall(r"`openai` ([\d.]+\d)", PAGE.read_text())
    assert told == [openai.__version__, packages["dependencies"]["openai"]]


def test_every_helper_has_its_test() -> None:
    absent = [name for name in HELPERS["Python"].values() if not hasattr(test_python_helpers, name)]
    assert absent == []
