"""The pages of stored rules: to make, change, find by tag and remove. What is wrong with one is said at its field."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from workflows import services
from workflows.core.errors import BadDefinition, BadInput
from workflows.models import StoredRule


class StoredRuleForm(forms.ModelForm):  # type: ignore[type-arg]
    """A rule and its tags, which stand in one line with commas between them."""

    condition = forms.JSONField(
        widget=UnfoldAdminTextareaWidget, help_text='The rule, e.g. {"type": "FieldExists", "field": "title"}.'
    )
    tag_line = forms.CharField(
        label="tags", required=False, widget=UnfoldAdminTextInputWidget, help_text="With commas between them."
    )

    class Meta:
        model = StoredRule
        fields = ("id", "name", "description", "condition")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and not self.instance._state.adding:
            self.fields["tag_line"].initial = ", ".join(sorted(each.tag for each in self.instance.tags.all()))

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return given
        given["tag_line"] = [each.strip() for each in given["tag_line"].split(",") if each.strip()]
        rule_id = given.get("id") or self.instance.pk
        try:
            services.check_rule(rule_id, given["name"], given["description"], given["condition"], given["tag_line"])
        except (BadInput, BadDefinition) as refusal:
            argument = str(refusal.details.get("argument") or "condition")
            self.add_error("tag_line" if argument.startswith("tags") else argument, str(refusal))
        return given


@admin.register(StoredRule)
class StoredRuleAdmin(ModelAdmin):
    form = StoredRuleForm
    list_display = ("id", "name", "shown_tags", "version", "updated_at")
    search_fields = ("id", "name", "tags__tag")

    def get_queryset(self, request: HttpRequest) -> QuerySet[StoredRule]:
        rows: QuerySet[StoredRule] = super().get_queryset(request)
        return rows.prefetch_related("tags")

    def get_readonly_fields(self, request: HttpRequest, obj: StoredRule | None = None) -> tuple[str, ...]:
        return () if obj is None else ("id",)

    @display(description="tags")  # type: ignore[untyped-decorator]
    def shown_tags(self, rule: StoredRule) -> str:
        return ", ".join(sorted(each.tag for each in rule.tags.all()))

    def save_model(self, request: HttpRequest, obj: StoredRule, form: Any, change: bool) -> None:
        given = {name: form.cleaned_data[name] for name in ("name", "description", "condition")}
        if change:
            made = services.update_rule(obj.pk, tags=form.cleaned_data["tag_line"], **given)
        else:
            made = services.create_rule(
                given.pop("condition"), rule_id=obj.pk, tags=form.cleaned_data["tag_line"], **given
            )
        obj.__dict__.update(made.__dict__)
