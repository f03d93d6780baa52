"""The documents are true: links lead somewhere, named tests and paths exist, lists are complete."""

import re
import subprocess
from pathlib import Path

import msgspec
import pytest

from llm.core.providers import PROVIDERS
from llm.sandbox.faults import Behaviour

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    Path(line)
    for line in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    if (ROOT / line).exists()
)
TOP = ("agents", "benchmarks", "billing", "circuit_breaker", "clients", "deploy", "docs", "llm", "tests", "workflows")
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")


def prose(document: Path) -> str:
    """The text without fenced code."""
    return re.sub(r"^```.*?^```", "", (ROOT / document).read_text(), flags=re.DOTALL | re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """The ids that headings get on the usual hosts."""
    headings = re.findall(r"^#+ +(.+)$", path.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_the_documents_a_reader_expects_are_there() -> None:
    assert {Path(name) for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")} <= set(
        DOCUMENTS
    )


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_relative_links_lead_somewhere(document: Path) -> None:
    broken = []
    for target in LINK.findall(prose(document)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (ROOT / document).parent / name if name else ROOT / document
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_paths_and_tests_it_names_exist(document: Path) -> None:
    absent = []
    for name in CODE.findall(prose(document)):
        path, _, test = name.partition("::")
        if not re.fullmatch(rf"(?:{'|'.join(TOP)})/[\w./-]*", path):
            continue
        found = ROOT / path
        if not found.exists() or (
            test and not re.search(rf"^\s*(?:async )?def {test}\(", found.read_text(), re.MULTILINE)
        ):
            absent.append(name)
    assert absent == []


def test_every_invariant_says_what_holds_it() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+?) \| (.+) \|$", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE)
    assert [int(number) for number, _, _ in rows] == list(range(1, 15))
    unheld = [number for number, _, held in rows if "::test_" not in held and "arrives with" not in held]
    assert unheld == []


def test_settings_the_readme_names_are_read_somewhere() -> None:
    table = (ROOT / "README.md").read_text().split("## Settings")[1].split("\n## ")[0]
    named = set(re.findall(r"`([A-Z][A-Z_]+[A-Z])`", table))
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', (ROOT / "circuit_breaker" / "settings.py").read_text()))
    read |= {name for row in PROVIDERS for name in row.variables}
    assert len(named) > 10
    assert named - read == set()


def test_every_directive_of_the_sandbox_is_documented() -> None:
    page = (ROOT / "docs" / "how-to" / "sandbox.md").read_text()
    documented = set(re.findall(r"`([a-z-]+)=", page.split("| directive |")[1].split("\n\n")[0]))
    assert documented == {field.encode_name for field in msgspec.structs.fields(Behaviour)}


def test_every_requirement_has_its_reason_and_its_row() -> None:
    decision = (ROOT / "docs" / "decisions" / "0007-libraries.md").read_text()
    lines = [line for line in (ROOT / "requirements.in").read_text().splitlines() if line and not line.startswith("#")]
    assert len(lines) > 10
    for line in lines:
        requirement, mark, reason = line.partition("#")
        name = re.split(r"[\[<>=;~ ]", requirement)[0].lower()
        assert mark and reason.strip(), f"{name} says no reason"
        assert name in decision.lower(), f"{name} is not in {decision.splitlines()[0]}"


def test_decisions_are_numbered_without_gaps_and_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    names = sorted(path.name for path in folder.glob("0*.md"))
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    index = (folder / "README.md").read_text()
    assert [name for name in names if f"({name})" not in index] == []
