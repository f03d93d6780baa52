"""The pages of people's tasks: a list to find them, and one page each to claim, answer or give it back.

Whoever may change tasks may do those that are for them, by their login's name and groups; superusers may do all. A task
is never added, edited or deleted here: tokens open them. Next: `task_form.py`.
"""

import json
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.decorators import display

from workflows import selectors, services
from workflows.admin.looking import LookOnlyAdmin
from workflows.admin.task_form import TaskForm
from workflows.core.errors import FormInvalid, WorkflowError
from workflows.models import HumanTask

TASK_LABELS = {
    "open": "warning",
    "claimed": "info",
    "completed": "success",
    "cancelled": "danger",
    "expired": "danger",
}


class Whose(admin.SimpleListFilter):
    title = "whose"
    parameter_name = "whose"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("mine", "for me")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[HumanTask]) -> QuerySet[HumanTask]:
        if self.value() != "mine":
            return queryset
        return queryset.filter(selectors.tasks_of(request.user.get_username()), state__in=HumanTask.WAITING)


@admin.register(HumanTask)
class HumanTaskAdmin(LookOnlyAdmin):
    list_display = ("title", "shown_state", "assignee", "group", "claimed_by", "workflow", "deadline", "created_at")
    list_filter = (Whose, "state", "workflow")
    list_select_related = ("workflow",)
    search_fields = ("title", "=assignee", "=group", "=claimed_by")
    uuid_fields = ("id", "case_id", "token_id")
    date_hierarchy = "created_at"

    @display(description="state", ordering="state", label=TASK_LABELS)  # type: ignore[untyped-decorator]
    def shown_state(self, task: HumanTask) -> str:
        return task.state

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        task = selectors.task(object_id)
        if task is None:
            raise Http404
        if not self.has_view_permission(request, task):
            raise PermissionDenied
        form = TaskForm(task.form)
        if request.method == "POST":
            if not self._may_work(request):
                raise PermissionDenied
            form = TaskForm(task.form, request.POST)
            if self._done(request, task, form):
                return HttpResponseRedirect(reverse("admin:workflows_humantask_change", args=[task.pk]))
            task.refresh_from_db()
        return TemplateResponse(request, "admin/workflows/task.html", self._context(request, task, form))

    def _done(self, request: HttpRequest, task: HumanTask, form: TaskForm) -> bool:
        """Do what the button says; False if the form is to be shown again."""
        task_id, user, boss = str(task.pk), request.user.get_username(), request.user.is_superuser
        try:
            if "claim" in request.POST:
                services.claim_task(task_id, user, anyone=boss)
            elif "release" in request.POST:
                services.release_task(task_id, user, anyone=boss)
            elif not form.is_valid():
                return False
            else:
                services.complete_task(task_id, user, form.answer(), anyone=boss)
                messages.success(request, "Done: the token goes on.")
        except FormInvalid as refusal:
            form.refuse(refusal.details["violations"])
            return False
        except WorkflowError as refusal:
            messages.error(request, str(refusal))
        return True

    def _may_work(self, request: HttpRequest) -> bool:
        return request.user.has_perm("workflows.change_humantask")

    def _context(self, request: HttpRequest, task: HumanTask, form: TaskForm) -> dict[str, Any]:
        waiting, user = task.state in HumanTask.WAITING, request.user.get_username()
        free = task.state == HumanTask.OPEN or task.claimed_by == user or request.user.is_superuser
        return {
            **self.admin_site.each_context(request),
            "title": task.title,
            "opts": self.opts,
            "task": task,
            "label": TASK_LABELS[task.state],
            "shown": [(name, _text(value)) for name, value in task.data.items()],
            "answered": [(name, _text(value)) for name, value in (task.result or {}).items()],
            "form": form,
            "can_claim": waiting and self._may_work(request) and task.claimed_by != user,
            "can_release": task.state == HumanTask.CLAIMED and self._may_work(request) and free,
            "can_complete": waiting and self._may_work(request) and free,
        }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
