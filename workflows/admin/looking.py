"""What the pages of the engine have in common: they show, and change nothing by a form of rows."""

import json
import uuid
from typing import Any

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin


class LookOnly:
    """No adding, changing or deleting."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class LookOnlyAdmin(LookOnly, ModelAdmin):
    show_full_result_count = False
    uuid_fields: tuple[str, ...] = ()
    """Fields a search for a whole UUID looks at; any other text is left to `search_fields`."""

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> Any:
        try:
            wanted = uuid.UUID(search_term.strip())
        except ValueError:
            return super().get_search_results(request, queryset, search_term)
        matching = queryset.none()
        for name in self.uuid_fields:
            matching = matching | queryset.filter(**{name: wanted})
        return matching, False


def show_json(value: Any) -> SafeString:
    shown = json.dumps(value, indent=2, ensure_ascii=False)
    return format_html('<pre style="white-space: pre-wrap; overflow-wrap: anywhere">{}</pre>', shown[:20_000])
