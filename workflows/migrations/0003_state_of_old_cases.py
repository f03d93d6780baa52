"""Says of the cases that were there before cases had a state which of them are finished, by the rule of `core/ending.py`."""

from django.db import migrations
from django.db.models import Exists, OuterRef, Subquery

from workflows.core.ending import final_places
from workflows.core.errors import BadDefinition
from workflows.core.notation import compile_definition


def finish(apps, schema_editor):
    cases, tokens, firings = (apps.get_model("workflows", name) for name in ("Case", "Token", "Firing"))
    for version in apps.get_model("workflows", "WorkflowVersion").objects.iterator():
        try:
            final = final_places(compile_definition(version.definition).net)
        except BadDefinition:  # a notation of a later release: its cases stay open until `rebuild_tokens`
            continue
        elsewhere = tokens.objects.filter(case=OuterRef("pk"), state="live").exclude(place__in=final)
        ended = firings.objects.filter(case=OuterRef("pk")).order_by("-seq").values("at")[:1]
        finished = cases.objects.filter(~Exists(elsewhere), version=version, last_seq__gt=0)
        finished.update(state="finished", finished_at=Subquery(ended))


class Migration(migrations.Migration):
    dependencies = [("workflows", "0002_case_life_and_archive")]
    operations = [migrations.RunPython(finish, migrations.RunPython.noop)]
