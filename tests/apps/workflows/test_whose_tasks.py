"""Whose a task is: one rule for those who list tasks and those who claim them; escalation gives it to others."""

from functools import partial

import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone

from tests.apps.workflows.asking import ask
from tests.apps.workflows.conftest import together
from tests.apps.workflows.signing import log_of, opened
from workflows import selectors, services, tasks
from workflows.core.errors import (
    BadInput,
    TaskConflict,
    TaskNotFound,
    TaskNotYours,
)
from workflows.models import Firing, HumanTask

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_task_is_for_its_assignee_or_its_group() -> None:
    group = Group.objects.create(name="legal")
    User.objects.create_user("lea").groups.add(group)
    User.objects.create_user("max")
    task = opened(assignee="bob", group="legal")
    for stranger in ("max", "nobody"):
        for act in (
            partial(services.claim_task, str(task.pk), stranger),
            partial(services.complete_task, str(task.pk), stranger, {"approved": True}),
        ):
            with pytest.raises(TaskNotYours, match="is for bob or group legal, not for"):
                act()
    assert services.claim_task(str(task.pk), "lea").claimed_by == "lea"
    services.release_task(str(task.pk), "lea")
    assert services.claim_task(str(task.pk), "bob").claimed_by == "bob"
    assert services.claim_task(str(task.pk), "max", anyone=True).claimed_by == "max"


def test_a_group_django_does_not_know_is_left_to_the_caller() -> None:
    task = opened(group="elsewhere")
    assert services.claim_task(str(task.pk), "anna").claimed_by == "anna"


def test_whose_tasks_they_are() -> None:
    User.objects.create_user("lea").groups.add(Group.objects.create(name="legal"))
    task = opened(group="legal")

    def of(user: str) -> list[HumanTask]:
        return list(selectors.tasks(limit=10, states=["open", "claimed"], user=user))

    assert (of("lea"), of("bob")) == ([task], [])
    services.claim_task(str(task.pk), "lea")
    assert (of("lea"), of("bob")) == ([task], [])
    assert list(selectors.tasks(limit=10, case_id=str(task.case_id), group="legal")) == [task]
    assert list(selectors.tasks(limit=10, workflow_id="other")) == []
    with pytest.raises(BadInput, match="is no state; known: open, claimed"):
        selectors.tasks(limit=10, states=["done"])
    for wrong in ("nonsense", "00000000-0000-0000-0000-000000000000"):
        with pytest.raises(TaskNotFound):
            services.claim_task(wrong, "bob")


def test_of_six_people_who_claim_it_at_once_one_has_it() -> None:
    task = opened()
    outcomes = together(6, lambda n: services.claim_task(str(task.pk), f"p{n}"))
    assert len([each for each in outcomes if isinstance(each, HumanTask)]) == 1
    holder = HumanTask.objects.get().claimed_by
    with pytest.raises(TaskConflict, match=f"claimed by {holder}"):
        services.complete_task(str(task.pk), "somebody", {"approved": True})
    assert services.claim_task(str(task.pk), holder).claimed_by == holder
    assert Firing.objects.filter(kind=Firing.TASK_CLAIMED).count() == 1
    with pytest.raises(TaskConflict):
        services.release_task(str(task.pk), "somebody")
    assert services.release_task(str(task.pk), holder).state == "open"
    assert services.release_task(str(task.pk), holder).state == "open"


def test_escalation_takes_it_from_who_sat_on_it() -> None:
    task = opened(assignee="bob", escalation={"after": "PT1H", "assignee": "boss"})
    services.claim_task(str(task.pk), "bob")
    HumanTask.objects.update(escalate_at=timezone.now())
    tasks.sweep()
    tasks.sweep()
    task.refresh_from_db()
    assert (task.state, task.assignee, task.claimed_by, task.escalate_at) == ("open", "boss", "", None)
    with pytest.raises(TaskNotYours):
        services.complete_task(str(task.pk), "bob", {"approved": True})
    assert log_of(task)[-1] == ("task_escalated", "escalation")
    with pytest.raises(TaskConflict, match="names nobody to go to"):
        services.escalate_task(str(task.pk))
    assert services.complete_task(str(task.pk), "boss", {"approved": True}).state == "completed"


USERS = ("bob", "lea", "max", "gone", "nobody")


@pytest.fixture
def offices() -> None:
    """lea is of the group legal, so was gone, whose account is closed; max is in no group; nobody has no account."""
    legal = Group.objects.create(name="legal")
    User.objects.create_user("lea").groups.add(legal)
    User.objects.create_user("gone", is_active=False).groups.add(legal)
    User.objects.create_user("max")


@pytest.mark.parametrize(
    ("assignee", "group", "meant"),
    [
        ("", "", USERS),
        ("bob", "", ("bob",)),
        ("", "legal", ("lea",)),
        ("bob", "legal", ("bob", "lea")),
        ("gone", "", ("gone",)),
        ("", "elsewhere", USERS),
        ("bob", "elsewhere", USERS),
    ],
)
def test_an_open_task_is_listed_for_those_and_only_those_who_can_claim_it(
    offices: None, assignee: str, group: str, meant: tuple[str, ...]
) -> None:
    task = opened(**{name: each for name, each in (("assignee", assignee), ("group", group)) if each})
    query = 'query ($user: String!) { tasks(filter: {user: $user, states: ["open"]}) { id } }'
    for user in USERS:
        listed = ask(query, user=user)["tasks"]
        assert listed == ([{"id": str(task.pk)}] if user in meant else []), user
        if user in meant:
            assert services.claim_task(str(task.pk), user).claimed_by == user
            services.release_task(str(task.pk), user)
        else:
            with pytest.raises(TaskNotYours):
                services.claim_task(str(task.pk), user)


def test_a_claimed_task_is_listed_for_its_holder_only_and_nobody_else_can_claim_it(offices: None) -> None:
    task = opened(assignee="bob")
    services.claim_task(str(task.pk), "max", anyone=True)
    waiting = [HumanTask.OPEN, HumanTask.CLAIMED]
    assert list(selectors.tasks(limit=10, states=waiting, user="max")) == [task]
    assert services.claim_task(str(task.pk), "max").claimed_by == "max"
    assert list(selectors.tasks(limit=10, states=waiting, user="bob")) == []
    with pytest.raises(TaskConflict, match="is claimed by max"):
        services.claim_task(str(task.pk), "bob")


def test_what_was_assigned_to_somebody_is_listed_for_them_when_it_has_ended() -> None:
    task = opened(assignee="bob")
    services.complete_task(str(task.pk), "boss", {"approved": True}, anyone=True)
    assert list(selectors.tasks(limit=10, user="bob")) == [task]


def test_a_name_that_cannot_be_one_is_refused_by_the_list_as_by_the_claim() -> None:
    for odd in ("", "x" * 151, "a\x00b"):
        with pytest.raises(BadInput, match="user: "):
            selectors.tasks(limit=10, user=odd)
        with pytest.raises(BadInput, match="user: "):
            services.claim_task("00000000-0000-0000-0000-000000000000", odd)
