"""Our analysis and our PNML beside those of SNAKES and pm4py, on nets that are known.

The peers live in throw-away environments: `make test-peers` installs them (PEERS names the folder) and runs this. On
their own these tests are skipped.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from benchmarks.nets import ask, philosophers, review_ring
from benchmarks.peers import PEERS, Peer, install
from tests.core.pnml.test_round_trips import DESK
from workflows.core.analysis.plain import plain_net
from workflows.core.analysis.report import analyse
from workflows.core.notation import compile_definition
from workflows.core.pnml import definition_from_pnml, pnml_from_definition, read_pnml, write_pnml

pytestmark = [
    pytest.mark.skipif("PEERS" not in os.environ, reason="PEERS names no folder for the peers: make test-peers"),
    pytest.mark.timeout(900),
]
PROGRAMS = Path(__file__).resolve().parent / "programs"


def peer(name: str) -> Peer:
    found = next(each for each in PEERS if each.name == name)
    install(found, Path(os.environ["PEERS"]))
    assert not found.missing, found.missing
    return found


def workflow(**transitions: tuple[str, str]) -> dict[str, Any]:
    steps = [
        {"id": id_, "inputs": takes.split(), "outputs": gives.split()} for id_, (takes, gives) in transitions.items()
    ]
    places = dict.fromkeys(["i", *(place for each in steps for place in (*each["inputs"], *each["outputs"]))])
    return {"name": "Known", "places": list(places), "initialPlace": "i", "transitions": steps}


KNOWN = {
    "sequence": workflow(a=("i", "p"), b=("p", "o")),
    "diamond": workflow(split=("i", "a b"), left=("a", "c"), right=("b", "d"), join=("c d", "o")),
    "and_split_xor_join": workflow(split=("i", "a b"), left=("a", "o"), right=("b", "o")),
    "xor_split_and_join": workflow(left=("i", "a"), right=("i", "b"), join=("a b", "o")),
    # Woflan asks for a first place that nothing leads back to; we do not.
    "loop": workflow(go=("i", "a"), on=("a", "b"), back=("b", "a"), end=("b", "o")),
    "dead": workflow(go=("i", "o"), never=("o2", "o")) | {"places": ["i", "o", "o2"]},
    "lost": workflow(go=("i", "a"), lose=("a", "limbo"), end=("a", "o"), circle=("limbo", "limbo")),
}


@pytest.mark.parametrize("name", ["snakes", "pm4py"])
@pytest.mark.parametrize("net", [philosophers(3), philosophers(5), review_ring()], ids=["three", "five", "ring"])
def test_the_graph_is_as_large_as_theirs(name: str, net: dict[str, Any]) -> None:
    ours, theirs = ask("ours", net), ask(name, net, peer(name))
    assert (ours["states"], ours["edges"]) == (theirs["states"], theirs["edges"])


def ask_pm4py(file: Path, again: Path, *options: str) -> dict[str, Any]:
    python = str(peer("pm4py").home / "bin/python")
    command = [python, str(PROGRAMS / "pm4py_reads.py"), str(file), str(again), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


@pytest.mark.parametrize("name", KNOWN)
def test_soundness_is_what_woflan_says(name: str, tmp_path: Path) -> None:
    compiled = compile_definition(KNOWN[name])
    file = tmp_path / "net.pnml"
    file.write_text(write_pnml(pnml_from_definition(compiled)))
    theirs = ask_pm4py(file, tmp_path / "again.pnml", "--sound", "--graph")
    report = analyse(compiled.net)
    assert report.sound.holds == theirs["sound"]
    assert (report.states, report.edges) == (theirs["states"], theirs["edges"])


def test_pm4py_reads_what_we_write_and_we_read_what_it_writes(tmp_path: Path) -> None:
    """But for read arcs, which pm4py takes for ordinary ones."""
    steps = [{key: value for key, value in step.items() if key != "reads"} for step in DESK["transitions"]]
    compiled = compile_definition({**DESK, "transitions": steps})
    file, again = tmp_path / "net.pnml", tmp_path / "again.pnml"
    file.write_text(write_pnml(pnml_from_definition(compiled, refined=True)))
    theirs = ask_pm4py(file, again)
    assert theirs["places"] == sorted(compiled.net.places)
    assert theirs["marking"] == {"new": 1}
    assert len(theirs["transitions"]) == len(plain_net(compiled.net).rows)
    assert ["1st", 4, "inhibitor"] in [[source, weight, kind] for source, _, weight, kind in theirs["arcs"]]
    back = plain_net(compile_definition(definition_from_pnml(read_pnml(again.read_bytes()))).net)
    whole = plain_net(compiled.net)

    def said(net: Any, row: Any) -> Any:
        return [sorted((net.places[at], count) for at, count in part) for part in (row.takes, row.gives, row.blocks)]

    assert sorted(said(back, row) for row in back.rows) == sorted(said(whole, row) for row in whole.rows)
