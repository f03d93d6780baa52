"""The table in the documents: all 43 patterns, and a running test for each that it calls written."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]


def test_each_pattern_of_the_table_has_a_test_that_runs_it() -> None:
    table = re.findall(r"^\| (\d+) \| .+? \| (\w+) \|", (ROOT / "docs/reference/patterns.md").read_text(), re.M)
    assert [int(number) for number, _ in table] == list(range(1, 44))
    assert {said for _, said in table} <= {"yes", "partly"}
    files = Path(__file__).parent.glob("test_*.py")
    tested = {int(each) for file in files for each in re.findall(r"^def test_wcp(\d\d)_", file.read_text(), re.M)}
    assert tested == {int(number) for number, _ in table}
