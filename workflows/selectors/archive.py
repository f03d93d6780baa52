"""Reads archived cases. What comes back are the rows as they were, unsaved: fields added since have their defaults.

`plain` and `row` are the two ends of the format: `services/archive.py` writes with the one, this module reads with the
other. Next: `core/packing.py` for the bytes.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import Model

from workflows.core.packing import unpack
from workflows.models import ArchivedLog, ArchivedToken, CaseArchive, Firing, OutboxEffect, Token, TokenChange

Row = TypeVar("Row", bound=Model)


def plain(row: Model) -> dict[str, Any]:
    """A row's columns as JSON values."""
    return {field.attname: _jsonable(getattr(row, field.attname)) for field in row._meta.concrete_fields}


def row(model: type[Row], values: dict[str, Any]) -> Row:
    """The row with these columns, not saved. Columns that are gone are left out."""
    fields = [field for field in model._meta.concrete_fields if field.attname in values]
    return model(**{field.attname: _python(field, values[field.attname]) for field in fields})


def archived_log(case_id: uuid.UUID, after: int, limit: int) -> tuple[list[Firing], list[TokenChange]]:
    """The first `limit` entries with seq > after, and their changes."""
    firings: list[Firing] = []
    changes: list[TokenChange] = []
    parts = ArchivedLog.objects.filter(case_id=case_id, last_seq__gt=after).order_by("first_seq")
    for part in parts.iterator(chunk_size=2):
        for values in unpack(part.entries):
            if values["seq"] <= after:
                continue
            if len(firings) == limit:
                return firings, changes
            firing = row(Firing, values)
            firings.append(firing)
            changes += _changes_of(firing, values["changes"])
    return firings, changes


def archived_tokens(case_id: uuid.UUID) -> list[Token]:
    """All tokens of an archived case, oldest first, each marked as `is_archived`."""
    kept = CaseArchive.objects.only("tokens").filter(pk=case_id).first()
    tokens = [] if kept is None else [row(Token, values) for values in unpack(kept.tokens)]
    for token in tokens:
        token.is_archived = True  # type: ignore[attr-defined]
    return tokens


def archived_effects(case_id: uuid.UUID) -> list[OutboxEffect]:
    """All effects of an archived case, oldest first."""
    kept = CaseArchive.objects.only("effects").filter(pk=case_id).first()
    return [] if kept is None else [row(OutboxEffect, values) for values in unpack(kept.effects)]


def archived_case_of(token_id: uuid.UUID) -> uuid.UUID | None:
    """The archived case that a token belongs to."""
    return ArchivedToken.objects.filter(pk=token_id).values_list("case_id", flat=True).first()


def archived_token(token_id: uuid.UUID) -> Token | None:
    case_id = archived_case_of(token_id)
    tokens = [] if case_id is None else archived_tokens(case_id)
    return next((token for token in tokens if token.pk == token_id), None)


def load_archived_histories(rows: Sequence[Token], newest: int) -> None:
    """Put the newest changes of these tokens of archived cases, newest first, into `token.newest_changes`."""
    for case_id in {token.case_id for token in rows}:
        found: dict[uuid.UUID, list[TokenChange]] = {token.pk: [] for token in rows}
        for part in ArchivedLog.objects.filter(case_id=case_id).order_by("-first_seq").iterator(chunk_size=2):
            for values in reversed(unpack(part.entries)):
                firing = row(Firing, values)
                for change in _changes_of(firing, values["changes"]):
                    kept = found.get(change.token_id)
                    if kept is not None and len(kept) < newest:
                        kept.append(change)
        for token in rows:
            if token.case_id == case_id:
                token.newest_changes = found[token.pk]  # type: ignore[attr-defined]


def _changes_of(firing: Firing, written: list[dict[str, Any]]) -> list[TokenChange]:
    changes = [row(TokenChange, values) for values in written]
    for change in changes:
        change.firing = firing
    return changes


def _jsonable(value: Any) -> Any:
    if isinstance(value, uuid.UUID):
        return str(value)
    return value.isoformat() if isinstance(value, datetime) else value


def _python(field: Any, value: Any) -> Any:
    """A JSON column holds JSON: `to_python` would take a string in it for something else."""
    if field.get_internal_type() == "JSONField" or value is None:
        return value
    target = field.target_field if field.is_relation else field
    return target.to_python(value)
