"""PNML through the command and GraphQL: a workflow goes out as a file and comes back as the same workflow."""

import json
from pathlib import Path

import graphene
import pytest
from django.core.management import CommandError, call_command

from tests.apps.workflows.conftest import REVIEW
from workflows.models import Workflow
from workflows.schema import Mutation, Query

pytestmark = pytest.mark.django_db(transaction=True)

schema = graphene.Schema(query=Query, mutation=Mutation)


def test_a_stored_workflow_goes_out_and_comes_back(papers: Workflow, tmp_path: Path) -> None:
    file = tmp_path / "papers.pnml"
    call_command("pnml", "export", papers.pk, "-o", str(file))
    call_command("pnml", "import", str(file), "-o", str(tmp_path / "papers.json"))
    back = json.loads((tmp_path / "papers.json").read_text())
    assert back["transitions"] == REVIEW["transitions"]
    call_command("pnml", "import", str(file), "--create", "--id", "again")
    assert Workflow.objects.get(pk="again").current.definition["places"] == REVIEW["places"]


def test_a_file_is_analysed_and_drawn_too(papers: Workflow, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "papers.pnml"
    call_command("pnml", "export", papers.pk, "-o", str(file))
    call_command("draw", str(file), "--dot")
    assert "approve_good" in capsys.readouterr().out


def test_a_bad_file_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "bad.pnml"
    file.write_text("<pnml><net id='n'><place id='p'/></net></pnml>")
    with pytest.raises(CommandError, match=r"bad\.pnml: initialMarking: no place has one"):
        call_command("pnml", "import", str(file))


def test_graphql_gives_and_takes_files(papers: Workflow) -> None:
    given = schema.execute('{ workflowPnml(workflowId: "papers") }')
    assert given.errors is None
    made = schema.execute(
        'mutation M($pnml: String!) { importPnml(pnml: $pnml, id: "copy") { id places warnings { kind } } }',
        variables={"pnml": given.data["workflowPnml"]},
    )
    assert made.errors is None
    assert made.data["importPnml"]["places"] == REVIEW["places"]
    assert [each["kind"] for each in made.data["importPnml"]["warnings"]] == ["not_sound", "deadlock"]
    bad = schema.execute('mutation { importPnml(pnml: "<!DOCTYPE pnml []><pnml/>") { id } }')
    assert bad.errors is not None
    assert bad.errors[0].original_error.code == "BAD_PNML"
