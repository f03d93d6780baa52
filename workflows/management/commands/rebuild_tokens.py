"""`manage.py rebuild_tokens`: compares the token rows and states of all cases with their logs, and repairs them.

With `--check` it only looks. Exit code 0: rows and logs agree (or were repaired); 1: with `--check` something differs,
or a log is damaged; 2: bad input. Cases are taken one after another, each under its lock, while the product runs.
"""

import sys
import time
import uuid
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from workflows import selectors, services
from workflows.core.errors import CaseArchived, WorkflowError
from workflows.models import Case

PROGRESS_SECONDS = 2.0


class Command(BaseCommand):
    help = "Compare the tokens of cases with the log, and rebuild them from it where they differ."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="only look, change nothing")
        parser.add_argument("--case", action="append", metavar="ID", help="this case; may be repeated")
        parser.add_argument("--workflow", metavar="ID", help="the cases of this workflow")

    def handle(self, *args: Any, **options: Any) -> None:
        ids = self._ids(options["case"], options["workflow"])
        looked = differing = damaged = 0
        told = time.monotonic()
        for case_id in ids:
            try:
                found = services.rebuild_case(case_id, check_only=options["check"])
            except CaseArchived:  # archived since it was listed: it has no token rows any more
                continue
            looked += 1
            differing += bool(found.differences)
            damaged += found.damaged
            for difference in found.differences:
                word = "damaged log: " if found.damaged else ("repaired: " if found.repaired else "")
                self.stdout.write(f"case {case_id}: {word}{difference}")
            if time.monotonic() - told > PROGRESS_SECONDS:
                told = time.monotonic()
                self.stderr.write(f"{looked:,} of {len(ids):,} cases")
        verb = "differ" if options["check"] else "repaired"
        self.stdout.write(f"{looked:,} cases looked at, {differing - damaged} {verb}, {damaged} with a damaged log")
        if damaged or (options["check"] and differing):
            sys.exit(1)

    def _ids(self, given: list[str] | None, workflow_id: str | None) -> list[str]:
        try:
            if given:
                return [str(selectors.existing_case(each).pk) for each in given]
            found = Case.objects.filter(archived_at__isnull=True).order_by("pk")
            if workflow_id is not None:
                found = found.filter(workflow=selectors.existing_workflow(workflow_id))
        except WorkflowError as error:
            raise CommandError(str(error), returncode=2) from None
        pks: list[uuid.UUID] = list(found.values_list("pk", flat=True))
        return [str(pk) for pk in pks]
