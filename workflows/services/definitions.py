"""Makes workflows and their versions. A definition is compiled before anything is written: nothing is half created.

A version never changes. A new one is for new cases; running cases keep theirs until `migration.py` moves them.
"""

import re
import uuid
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from workflows.core.errors import BadDefinition, VersionConflict, WorkflowExists, WorkflowNotFound
from workflows.core.notation import compile_definition
from workflows.models import Workflow, WorkflowVersion
from workflows.selectors import with_stored_rules

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")


def create_workflow(definition: Mapping[str, Any]) -> Workflow:
    """Make the workflow a definition describes (`core/notation.py`), under its `id` or a new one.

    The same definition under the same id once more returns what is there. Raises BadDefinition with the path of the
    fault, WorkflowExists if the id belongs to another definition.
    """
    compiled = compile_definition(with_stored_rules(definition))
    workflow_id = compiled.definition.get("id")
    if workflow_id is None:
        workflow_id = str(uuid.uuid4())
    elif not isinstance(workflow_id, str) or not _ID.fullmatch(workflow_id):
        raise BadDefinition("id", "must be 1 to 128 letters, digits, '_', '-', '.' or ':', a letter or digit first")
    kept = {key: value for key, value in compiled.definition.items() if key != "id"}
    now = timezone.now()
    with transaction.atomic():
        workflow, made = Workflow.objects.get_or_create(
            pk=workflow_id,
            defaults={
                "name": kept["name"],
                "description": kept.get("description", ""),
                "created_at": now,
                "updated_at": now,
            },
        )
        if not made:
            if workflow.current is None or workflow.current.definition != kept:
                raise WorkflowExists(workflow_id)
            return workflow
        version = WorkflowVersion.objects.create(workflow=workflow, number=1, definition=kept, created_at=now)
        workflow.current = version
        workflow.save(update_fields=["current"])
    return workflow


def update_workflow(
    workflow_id: str, definition: Mapping[str, Any], *, expected_version: int | None = None
) -> WorkflowVersion:
    """Make the next version of a workflow, which new cases begin with; returns it, or the current one if it is equal.

    Raises WorkflowNotFound, BadDefinition with the path of the fault, VersionConflict.
    """
    compiled = compile_definition(with_stored_rules({**definition, "id": workflow_id}))
    if definition.get("id") not in (None, workflow_id):
        raise BadDefinition("id", f"must be {workflow_id!r} or missing: a workflow keeps its id")
    kept = {key: value for key, value in compiled.definition.items() if key != "id"}
    now = timezone.now()
    with transaction.atomic():
        workflow = Workflow.objects.select_for_update(of=("self",)).filter(pk=workflow_id).first()
        if workflow is None or workflow.current is None:
            raise WorkflowNotFound(workflow_id[:200])
        current = workflow.current
        if expected_version is not None and current.number != expected_version:
            raise VersionConflict(workflow_id, expected_version, current.number)
        if current.definition == kept:
            return current
        newest = workflow.versions.order_by("-number").values_list("number", flat=True)[0]
        version = WorkflowVersion.objects.create(workflow=workflow, number=newest + 1, definition=kept, created_at=now)
        workflow.current, workflow.updated_at = version, now
        workflow.name, workflow.description = kept["name"], kept.get("description", "")
        workflow.save(update_fields=["current", "updated_at", "name", "description"])
    return version
