"""Models and their prices, shown and typed as USD per million tokens."""

from decimal import Decimal

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold import admin as unfold

from llm import services
from llm.admin.forms import ONCE, PRICES, ModelForm, usd_per_million
from llm.models import Model


@admin.register(Model)
class ModelAdmin(unfold.ModelAdmin):
    form = ModelForm
    list_display = ("model_id", "provider", "input", "output", "context_window", "rank", "enabled", "source")
    list_filter = ("provider", "enabled", "source")
    list_select_related = ("provider",)
    search_fields = ("model_id", "name", "upstream", "provider__name")
    readonly_fields = ("source", "available", "edited", "created_at", "updated_at")
    fieldsets = (
        (None, {"fields": ("provider", "model_id", "name", "upstream", "aliases", "enabled", "rank")}),
        ("Prices", {"fields": (*PRICES, *ONCE, "long_prompts")}),
        (
            "Limits and abilities",
            {
                "fields": (
                    "context_window",
                    "max_output_tokens",
                    "capabilities",
                    "supports_streaming",
                    "supports_function_calling",
                )
            },
        ),
        ("About this row", {"fields": ("source", "available", "edited", "created_at", "updated_at")}),
    )
    actions = ["enable", "disable"]

    @admin.display(description="input $/M", ordering="input_price")
    def input(self, model: Model) -> Decimal | None:
        return usd_per_million(model.input_price)

    @admin.display(description="output $/M", ordering="output_price")
    def output(self, model: Model) -> Decimal | None:
        return usd_per_million(model.output_price)

    @admin.action(description="Enable selected models")
    def enable(self, request: HttpRequest, rows: QuerySet[Model]) -> None:
        self.message_user(request, f"{services.set_enabled(rows, True)} enabled.")

    @admin.action(description="Disable selected models")
    def disable(self, request: HttpRequest, rows: QuerySet[Model]) -> None:
        self.message_user(request, f"{services.set_enabled(rows, False)} disabled.")

    def save_model(self, request: HttpRequest, obj: Model, form: ModelForm, change: bool) -> None:
        services.save_model(obj, form.changed_columns)

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        services.delete_models([obj.pk])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> None:
        services.delete_models([row.pk for row in queryset])
