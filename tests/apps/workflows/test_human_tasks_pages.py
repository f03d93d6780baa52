"""Tasks by GraphQL and on their admin pages: what clients send, what people see and fill in."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from tests.apps.workflows.asking import ask, refused
from tests.apps.workflows.signing import opened, token_of
from workflows import services
from workflows.admin.task_form import TaskForm
from workflows.core.forms import fields_of
from workflows.models import HumanTask

pytestmark = pytest.mark.django_db(transaction=True)

EVERYTHING: dict[str, Any] = {
    "type": "object",
    "required": ["name", "approved", "level"],
    "x-order": ["name", "note", "approved", "level", "price", "count", "due", "at", "tags"],
    "properties": {
        "name": {"type": "string", "title": "Your name", "maxLength": 40},
        "note": {"type": "string", "maxLength": 2000, "description": "What others should know."},
        "approved": {"type": "boolean", "title": "Approve it?"},
        "level": {"enum": ["low", 0, None, False], "title": "Level"},
        "price": {"type": "number", "minimum": 0.5},
        "count": {"type": "integer", "default": 3},
        "due": {"type": "string", "format": "date"},
        "at": {"type": "string", "format": "date-time"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
}
TASKS = "query T($filter: TaskFilter) { tasks(filter: $filter) { id title state claimedBy data form } }"
COMPLETE = """mutation C($id: String!, $user: String!, $data: JSON) {
  completeTask(taskId: $id, user: $user, data: $data) { state completedBy result finishedAt }
}"""


@pytest.fixture
def ada() -> Client:
    """Who may do tasks, and is no superuser."""
    user = User.objects.create_user("ada", is_staff=True)
    for name in ("view_humantask", "change_humantask"):
        user.user_permissions.add(Permission.objects.get(codename=name))
    client = Client()
    client.force_login(user)
    return client


def page(task: HumanTask) -> str:
    return f"/admin/workflows/humantask/{task.pk}/change/"


def test_clients_find_claim_and_complete_tasks() -> None:
    task = opened(assignee="bob")
    (found,) = ask(TASKS, filter={"user": "bob", "states": ["open"]})["tasks"]
    assert (found["id"], found["title"], found["data"]) == (str(task.pk), "Sign the contract", {"name": "Ann"})
    assert ask(TASKS, filter={"user": "eve"})["tasks"] == []
    claim = "mutation C($id: String!, $user: String!) { claimTask(taskId: $id, user: $user) { state claimedBy } }"
    assert refused(claim, id=str(task.pk), user="eve").code == "TASK_NOT_YOURS"
    assert ask(claim, id=str(task.pk), user="bob")["claimTask"] == {"state": "claimed", "claimedBy": "bob"}
    release = "mutation C($id: String!, $user: String!) { releaseTask(taskId: $id, user: $user) { state } }"
    assert ask(release, id=str(task.pk), user="bob")["releaseTask"] == {"state": "open"}
    error = refused(COMPLETE, id=str(task.pk), user="bob", data={"approved": "yes"})
    assert error.code == "FORM_INVALID"
    assert error.details["violations"] == [{"path": "approved", "message": 'must be of type "boolean"'}]
    done = ask(COMPLETE, id=str(task.pk), user="bob", data={"approved": True})["completeTask"]
    assert (done["state"], done["completedBy"], done["result"]) == ("completed", "bob", {"approved": True})
    assert refused(COMPLETE, id=str(task.pk), user="eve", data={"approved": True}).code == "TASK_CONFLICT"
    one = "query T($id: String!) { task(id: $id) { state } }"
    assert ask(one, id=str(task.pk)) == {"task": {"state": "completed"}}
    assert ask(one, id="nonsense") == {"task": None}
    escalate = "mutation C($id: String!) { escalateTask(taskId: $id) { state } }"
    assert refused(escalate, id="nonsense").code == "TASK_NOT_FOUND"


def test_every_type_of_field_is_an_input_and_its_value_the_right_json(ada: Client) -> None:
    task = opened(form=EVERYTHING)
    html = ada.get(page(task)).content.decode()
    for kind in ('type="number"', 'type="date"', 'type="datetime-local"', "<textarea", "<select", 'value="3"'):
        assert kind in html
    for word in ("Your name", "What others should know.", "Approve it?", "Sign the contract", "Ann"):
        assert word in html
    sent = {
        "field_0": " Ada ",
        "field_1": "",
        "field_2": "false",
        "field_3": "2",
        "field_4": "1.5",
        "field_5": "7",
        "field_6": "2026-12-31",
        "field_7": "2026-12-31T10:30",
        "field_8": '["a", "b"]',
        "complete": "1",
    }
    response = ada.post(page(task), sent)
    assert response.status_code == 302, response.context["form"].errors
    task.refresh_from_db()
    assert (task.state, task.completed_by) == ("completed", "ada")
    assert task.result == {
        "name": " Ada ",
        "approved": False,
        "level": None,
        "price": 1.5,
        "count": 7,
        "due": "2026-12-31",
        "at": "2026-12-31T10:30:00Z",
        "tags": ["a", "b"],
    }
    assert token_of(task).data["approved"] is False
    shown = ada.get(page(task)).content.decode()
    assert "completed by" in shown
    assert 'name="complete"' not in shown


def test_a_faulty_answer_is_shown_again_with_what_is_wrong(ada: Client) -> None:
    task = opened(form=EVERYTHING)
    sent = {"field_0": "Ada", "field_2": "true", "field_3": "0", "field_4": "0.1", "field_8": "[1]", "complete": "1"}
    response = ada.post(page(task), sent)
    html = response.content.decode()
    assert response.status_code == 200
    assert "price must be at least 0.5" in html
    assert "tags[0] must be of type &quot;string&quot;" in html
    assert 'value="Ada"' in html
    missing = ada.post(page(task), {**sent, "field_0": "", "field_8": "{oops", "field_5": "x"}).content.decode()
    assert "This field is required." in missing
    assert "Write JSON." in missing
    assert HumanTask.objects.get().state == "open"


def test_claiming_and_giving_back(ada: Client) -> None:
    task = opened()
    assert ada.post(page(task), {"claim": "1"}).status_code == 302
    assert HumanTask.objects.get().claimed_by == "ada"
    assert 'name="release"' in ada.get(page(task)).content.decode()
    ada.post(page(task), {"release": "1"})
    assert HumanTask.objects.get().claimed_by == ""


def test_what_is_for_others_is_refused_and_told(ada: Client) -> None:
    task = opened(assignee="bob")
    response = ada.post(page(task), {"claim": "1"}, follow=True)
    assert "is for bob, not for ada" in response.content.decode()
    assert HumanTask.objects.get().state == "open"
    boss = Client()
    boss.force_login(User.objects.create_superuser("boss"))
    boss.post(page(task), {"claim": "1"})
    assert HumanTask.objects.get().claimed_by == "boss"
    services.release_task(str(task.pk), "boss")


def test_who_may_only_look_can_do_nothing_and_a_stranger_sees_nothing() -> None:
    task = opened()
    looker, stranger = Client(), Client()
    user = User.objects.create_user("lou", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_humantask"))
    looker.force_login(user)
    stranger.force_login(User.objects.create_user("sam", is_staff=True))
    assert 'name="claim"' not in looker.get(page(task)).content.decode()
    assert looker.post(page(task), {"claim": "1"}).status_code == 403
    assert stranger.get(page(task)).status_code == 403
    assert Client().get(page(task)).status_code == 302
    assert HumanTask.objects.get().state == "open"


def test_the_list_shows_and_filters(ada: Client) -> None:
    User.objects.get(username="ada").groups.add(Group.objects.create(name="legal"))
    task = opened(group="legal")
    for query in ("", "?whose=mine", f"?q={task.case_id}", "?q=Sign", "?state__exact=open"):
        response = ada.get(f"/admin/workflows/humantask/{query}")
        assert response.status_code == 200
        assert response.context["cl"].result_count == 1, query
    assert ada.get("/admin/workflows/humantask/?whose=mine&state__exact=completed").context["cl"].result_count == 0
    assert ada.get("/admin/workflows/humantask/nonsense/change/").status_code == 404
    assert ada.get("/admin/workflows/humantask/add/").status_code == 403


def test_what_is_shown_is_no_markup(ada: Client) -> None:
    hostile = "<script>alert(1)</script>"
    form = {"properties": {hostile: {"type": "string", "title": hostile, "description": hostile, "default": hostile}}}
    task = opened(form=form, title=hostile, input={"x": json.dumps(hostile)})
    assert hostile not in ada.get(page(task)).content.decode()


def test_fields_of_odd_schemas() -> None:
    odd: dict[str, Any] = {"properties": {"a": True, "b": {"type": ["string", "null"]}, "c": {"const": 1}, "d": {}}}
    assert [(field.name, field.widget) for field in fields_of(odd)] == [
        ("a", "json"),
        ("b", "json"),
        ("c", "choice"),
        ("d", "json"),
    ]
    form = TaskForm(odd, {"field_1": "null", "field_2": "0"})
    assert form.is_valid()
    assert form.answer() == {"b": None, "c": 1}
    assert fields_of({}) == []
