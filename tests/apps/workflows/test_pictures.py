"""Pictures of stored workflows and running cases: `manage.py draw` and the query `workflowPicture`."""

import json
from pathlib import Path
from xml.etree import ElementTree

import graphene
import pytest
from django.core.management import CommandError, call_command

from tests.apps.workflows.conftest import REVIEW
from workflows import selectors, services
from workflows.models import Case, Workflow
from workflows.schema import Mutation, Query

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_file_is_drawn_by_the_ending_of_the_output(tmp_path: Path) -> None:
    file = tmp_path / "papers.json"
    file.write_text(json.dumps(REVIEW))
    call_command("draw", str(file), "-o", str(tmp_path / "papers.svg"))
    call_command("draw", str(file), "-o", str(tmp_path / "papers.dot"))
    assert ElementTree.parse(tmp_path / "papers.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert (tmp_path / "papers.dot").read_text().startswith("digraph net {")
    with pytest.raises(CommandError, match=r"must be \.svg or \.dot"):
        call_command("draw", str(file), "-o", str(tmp_path / "papers.pdf"))


def test_a_case_is_drawn_with_its_tokens_and_what_works_at_its_places(
    papers: Workflow, capsys: pytest.CaptureFixture[str]
) -> None:
    services.attach_action("review", "agent", "reader", workflow_id=papers.pk)
    token = services.create_token(papers.pk)
    services.fire(str(token.pk), "split")
    call_command("draw", papers.pk, "--case", str(token.case_id))
    drawn = capsys.readouterr().out
    assert "tokens: 1 in legal, 1 in review" in drawn
    assert drawn.count('class="dot"') == 2
    assert "agent: reader" in drawn
    picture = selectors.picture_of_case(Case.objects.get())
    assert picture.svg() == drawn


def test_unknown_names_end_with_one_line(papers: Workflow) -> None:
    with pytest.raises(CommandError, match="no workflow 'nothing'"):
        call_command("draw", "nothing")
    with pytest.raises(CommandError, match="has no such case"):
        call_command("draw", papers.pk, "--case", "12")


def test_graphql_gives_svg_and_dot(papers: Workflow) -> None:
    schema = graphene.Schema(query=Query, mutation=Mutation)
    result = schema.execute('{ workflowPicture(workflowId: "papers") { svg dot } }')
    assert result.errors is None
    assert result.data["workflowPicture"]["svg"].startswith("<svg ")
    assert "legal" in result.data["workflowPicture"]["dot"]
    missing = schema.execute('{ workflowPicture(workflowId: "none") { svg } }')
    assert missing.errors is not None
    assert "no workflow 'none'" in missing.errors[0].message
