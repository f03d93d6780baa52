"""A workflow changes while its cases run: new versions for new cases; by GraphQL and by command."""

import pytest
from django.core.management import CommandError, call_command

from tests.apps.workflows.asking import ask, refused
from tests.apps.workflows.conftest import REVIEW, together
from tests.apps.workflows.renaming import RENAMED, in_review
from workflows import selectors, services
from workflows.core.errors import BadDefinition, NotEnabled, VersionConflict, WorkflowNotFound
from workflows.models import Workflow, WorkflowVersion

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_new_version_is_for_new_cases(papers: Workflow) -> None:
    old = services.create_token("papers")
    assert services.update_workflow("papers", RENAMED).number == 2
    new = services.create_token("papers")
    assert services.fire(str(old.pk), "submit").place == "review"
    assert services.fire(str(new.pk), "submit").place == "reading"
    papers.refresh_from_db()
    assert (papers.name, papers.current.number) == ("Papers, faster", 2)  # type: ignore[union-attr]
    assert [version.number for version in selectors.versions("papers")] == [2, 1]


def test_the_same_definition_again_makes_no_version(papers: Workflow) -> None:
    assert services.update_workflow("papers", REVIEW).number == 1
    assert WorkflowVersion.objects.count() == 1


def test_a_version_that_is_refused_leaves_nothing(papers: Workflow) -> None:
    with pytest.raises(BadDefinition, match="places: is missing"):
        services.update_workflow("papers", {"name": "x"})
    with pytest.raises(BadDefinition, match="must be 'papers' or missing"):
        services.update_workflow("papers", {**RENAMED, "id": "other"})
    with pytest.raises(VersionConflict, match="is at version 1, not 3"):
        services.update_workflow("papers", RENAMED, expected_version=3)
    with pytest.raises(WorkflowNotFound):
        services.update_workflow("none", RENAMED)
    assert WorkflowVersion.objects.count() == 1


def test_of_many_updates_that_expect_one_version_one_wins(papers: Workflow) -> None:
    def update(number: int) -> WorkflowVersion:
        return services.update_workflow("papers", {**RENAMED, "name": f"By {number}"}, expected_version=1)

    outcomes = together(6, update)
    assert sum(isinstance(outcome, WorkflowVersion) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, VersionConflict) for outcome in outcomes) == 5
    blind = together(
        4, lambda number: services.update_workflow("papers", {**RENAMED, "name": f"Again {number}"}).number
    )
    assert sorted(blind) == [3, 4, 5, 6]


UPDATE = """mutation Update($input: WorkflowDefinitionInput!, $expected: Int) {
  updateWorkflow(input: $input, expectedVersion: $expected) { id name version places } }"""


MIGRATE = """mutation Migrate($input: MigrateCasesInput!) { migrateCases(input: $input) {
  cases { caseId fromVersion outcome reason trace before warning marking } endCursor hasMore } }"""


def test_a_workflow_is_changed_and_its_cases_migrated_in_graphql(papers: Workflow) -> None:
    token = in_review()
    made = ask(UPDATE, input={**RENAMED, "id": "papers"}, expected=1)["updateWorkflow"]
    assert (made["id"], made["name"], made["version"]) == ("papers", "Papers, faster", 2)
    assert refused(UPDATE, input={**RENAMED, "id": "papers"}, expected=1).code == "VERSION_CONFLICT"
    assert refused(UPDATE, input=RENAMED).code == "WORKFLOW_NOT_FOUND"
    asked = {"workflowId": "papers", "toVersion": 2, "dryRun": True}
    told = ask(MIGRATE, input=asked)["migrateCases"]
    assert told["cases"][0]["outcome"] == "refused"
    assert told["cases"][0]["reason"] == 'the new version has no place "review"; map it to another'
    done = ask(MIGRATE, input={**asked, "mapping": {"review": "reading"}, "dryRun": False})["migrateCases"]
    assert done == {
        "cases": [
            {
                "caseId": str(token.case_id),
                "fromVersion": 1,
                "outcome": "migrated",
                "reason": "",
                "trace": [],
                "before": [],
                "warning": "",
                "marking": {"reading": 1},
            }
        ],
        "endCursor": str(token.case_id),
        "hasMore": False,
    }
    versions = ask('{ workflowVersions(workflowId: "papers") { number current openCases definition } }')
    assert [(each["number"], each["current"], each["openCases"]) for each in versions["workflowVersions"]] == [
        (2, True, 1),
        (1, False, 0),
    ]
    assert versions["workflowVersions"][1]["definition"]["name"] == "Papers"
    with pytest.raises(NotEnabled):
        services.fire(str(token.pk), "submit")


def test_the_command_moves_all_cases_and_tells_which_it_could_not(
    papers: Workflow, capsys: pytest.CaptureFixture[str]
) -> None:
    tokens = [in_review() for _ in range(3)]
    split = services.create_token("papers")
    services.fire(str(split.pk), "split")
    services.update_workflow(
        "papers",
        {**RENAMED, "transitions": [*RENAMED["transitions"][:2], {"id": "drop", "inputs": ["legal", "draft"]}]},
    )
    with pytest.raises(SystemExit) as ended:
        call_command("migrate_cases", "papers", "--map", "review=reading", "--dry-run")
    assert ended.value.code == 1
    assert "papers to version 2: 1 refused, 3 would migrate" in capsys.readouterr().out
    call_command("migrate_cases", "papers", "--map=review=reading", f"--case={tokens[0].case_id}")
    assert capsys.readouterr().out == "papers to version 2: 1 migrated\n"
    with pytest.raises(CommandError, match="write OLD=NEW"):
        call_command("migrate_cases", "papers", "--map", "review")
    with pytest.raises(CommandError, match="There is no workflow 'none'"):
        call_command("migrate_cases", "none")
