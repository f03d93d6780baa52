"""Stored rules, which the conditions of any workflow may name."""

from django.db import models


class StoredRule(models.Model):
    """A rule by a name of its own. Versions of workflows hold copies: changing it changes none of them."""

    id = models.CharField(primary_key=True, max_length=128)
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True, default="")
    condition = models.JSONField(help_text="The rule as written (core/guard.py).")
    version = models.PositiveIntegerField(default=1, help_text="Counts the changes.")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        verbose_name = "stored rule"
        ordering = ("id",)

    def __str__(self) -> str:
        return self.id


class RuleTag(models.Model):
    """A word that a stored rule is found by."""

    rule = models.ForeignKey(StoredRule, on_delete=models.CASCADE, related_name="tags", db_index=False)
    tag = models.CharField(max_length=100, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["rule", "tag"], name="rule_tag_once")]

    def __str__(self) -> str:
        return self.tag
