"""The admin pages of agents. They write through `services`, so that what the API refuses is refused here too.

Executions are the record of what happened and cannot be changed. No secret can appear: no table here holds one.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest
from graphene.utils.str_converters import to_camel_case
from unfold.admin import ModelAdmin
from unfold.decorators import display

from agents import services
from agents.core.errors import AgentError
from agents.models import Agent, AgentExecution, PlaceAgentConfig
from billing.core.pricing import usd
from workflows.core.errors import WorkflowError

Status = AgentExecution.Status


class AgentForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's own is no generic at run time
    class Meta:
        model = Agent
        fields = ("name", "description", "llm_provider", "llm_config", "prompts", "capabilities", "tools")

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        known = self.instance.pk if not self.instance._state.adding else None
        _checked(self, lambda: services.check_agent(api_fields(given), known))
        return given


class PlaceAgentConfigForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = PlaceAgentConfig
        fields = (
            "agent",
            "workflow_id",
            "place_id",
            "enabled",
            "input_mapping",
            "output_mapping",
            "auto_transition",
            "trigger_conditions",
            "llm_config",
            "retry_config",
            "schedule",
        )

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        _checked(self, lambda: services.check_place_agent_config(api_fields(given)))
        return given


@admin.register(Agent)
class AgentAdmin(ModelAdmin):
    form = AgentForm
    list_display = ("name", "answering_model", "description", "updated_at")
    search_fields = ("name", "id", "description")
    readonly_fields = ("id", "created_at", "updated_at")
    fieldsets = (
        (None, {"fields": ("name", "description", "capabilities", "tools")}),
        ("Model", {"fields": ("llm_provider", "llm_config")}),
        ("Prompts", {"fields": ("prompts",)}),
        ("About this row", {"fields": ("id", "created_at", "updated_at")}),
    )

    @display(description="model")  # type: ignore[untyped-decorator]
    def answering_model(self, agent: Agent) -> str:
        return str(agent.llm_provider.get("model", "auto"))

    def save_model(self, request: HttpRequest, obj: Agent, form: AgentForm, change: bool) -> None:
        fields = api_fields(form.cleaned_data)
        _adopt(obj, services.update_agent(obj.pk, fields) if change else services.create_agent(fields))

    def delete_model(self, request: HttpRequest, obj: Agent) -> None:
        services.delete_agent(obj.pk)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        for agent in queryset:
            services.delete_agent(agent.pk)


@admin.register(PlaceAgentConfig)
class PlaceAgentConfigAdmin(ModelAdmin):
    form = PlaceAgentConfigForm
    list_display = ("place_id", "workflow_id", "agent", "auto_transition", "enabled")
    list_filter = ("enabled", "agent")
    list_select_related = ("agent",)
    search_fields = ("place_id", "workflow_id", "agent__name", "id")
    readonly_fields = ("id", "created_at", "updated_at")

    def save_model(self, request: HttpRequest, obj: PlaceAgentConfig, form: PlaceAgentConfigForm, change: bool) -> None:
        fields = api_fields(form.cleaned_data)
        written = (
            services.update_place_agent_config(obj.pk, fields) if change else services.create_place_agent_config(fields)
        )
        _adopt(obj, written)

    def delete_model(self, request: HttpRequest, obj: PlaceAgentConfig) -> None:
        services.delete_place_agent_config(obj.pk)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[PlaceAgentConfig]) -> None:
        for config in queryset:
            services.delete_place_agent_config(config.pk)


@admin.register(AgentExecution)
class AgentExecutionAdmin(ModelAdmin):
    list_display = (
        "created_at",
        "shown_status",
        "agent",
        "token_id",
        "place_id",
        "model",
        "duration_ms",
        "retry_count",
        "cost",
    )
    list_filter = ("status", "agent")
    list_select_related = ("agent",)
    search_fields = ("token_id", "id", "effect_id", "agent__name")
    date_hierarchy = "created_at"

    @display(  # type: ignore[untyped-decorator]
        description="status",
        ordering="status",
        label={
            Status.COMPLETED: "success",
            Status.FAILED: "danger",
            Status.TIMEOUT: "danger",
            Status.RUNNING: "info",
            Status.PENDING: "warning",
        },
    )
    def shown_status(self, execution: AgentExecution) -> str:
        return execution.status

    @display(description="cost, USD", ordering="cost_nano")  # type: ignore[untyped-decorator]
    def cost(self, execution: AgentExecution) -> Decimal | None:
        return None if execution.cost_nano is None else usd(execution.cost_nano)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: AgentExecution | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AgentExecution | None = None) -> bool:
        return False


def api_fields(cleaned: Mapping[str, Any]) -> dict[str, Any]:
    """A form's values under the names of the API."""
    fields = {to_camel_case(name): value for name, value in cleaned.items() if name != "agent"}
    return fields | ({"agentId": cleaned["agent"].pk} if "agent" in cleaned else {})


def _checked(form: forms.ModelForm, check: Callable[[], object]) -> None:  # type: ignore[type-arg]
    """Show a refusal on the form; skipped while single fields are still wrong."""
    if form.errors:
        return
    try:
        check()
    except (AgentError, WorkflowError) as problem:
        raise ValidationError(str(problem)) from problem


def _adopt(shown: models.Model, written: models.Model) -> None:
    """Let the admin go on with the row that was written."""
    shown.__dict__.update({field.attname: getattr(written, field.attname) for field in written._meta.concrete_fields})
    shown._state.adding = False
