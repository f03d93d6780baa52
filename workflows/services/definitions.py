"""Makes workflows from definitions. A definition is compiled before anything is written: nothing is half created."""

import re
import uuid
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from workflows.core.errors import BadDefinition, WorkflowExists
from workflows.core.notation import compile_definition
from workflows.models import Workflow, WorkflowVersion

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")


def create_workflow(definition: Mapping[str, Any]) -> Workflow:
    """Make the workflow a definition describes (`core/notation.py`), under its `id` or a new one.

    The same definition under the same id once more returns what is there. Raises BadDefinition with the path of the
    fault, WorkflowExists if the id belongs to another definition.
    """
    compiled = compile_definition(definition)
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
