"""`manage.py migrate_cases WORKFLOW`: moves running cases to the current version of their workflow, or to another one.

What is refused is printed with its reason and stays where it is. Exit code 0: every case moved (or would move); 1: some
were refused or failed; 2: bad input. May be run again: cases that moved are not met twice.
"""

import sys
from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from workflows import selectors, services
from workflows.core.errors import WorkflowError

PAGE = 200


class Command(BaseCommand):
    help = "Move the open cases of a workflow to another version, each checked and in a transaction of its own."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("workflow")
        parser.add_argument("--to", type=int, metavar="VERSION", help="default: the current version")
        parser.add_argument("--map", action="append", default=[], metavar="OLD=NEW", help="where tokens of a place go")
        parser.add_argument("--case", action="append", metavar="ID", help="this case only; may be repeated")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen")
        parser.add_argument("--force", action="store_true", help="also cases of which nothing could be proved")

    def handle(self, *args: Any, **options: Any) -> None:
        counts: Counter[str] = Counter()
        mapping = dict(_pair(given) for given in options["map"])
        after, more = None, True
        try:
            workflow = selectors.existing_workflow(options["workflow"])
            assert workflow.current is not None
            target = workflow.current.number if options["to"] is None else options["to"]
            while more:
                page = services.migrate_cases(
                    workflow.pk,
                    target,
                    mapping,
                    case_ids=options["case"],
                    dry_run=options["dry_run"],
                    force=options["force"],
                    first=PAGE,
                    after=after,
                    triggered_by="manage.py migrate_cases",
                )
                for each in page.cases:
                    counts[each.outcome] += 1
                    self._tell(each)
                after, more = page.end_cursor, page.has_more
        except WorkflowError as error:
            raise CommandError(str(error), returncode=2) from None
        said = ", ".join(f"{count} {outcome.replace('_', ' ')}" for outcome, count in sorted(counts.items()))
        self.stdout.write(f"{workflow.pk} to version {target}: {said or 'no open case of another version'}")
        if counts["refused"] or counts["failed"]:
            sys.exit(1)

    def _tell(self, each: services.CaseMigration) -> None:
        if each.outcome in ("refused", "failed"):
            self.stdout.write(f"{each.case_id} {each.outcome}: {each.reason}")
            if each.trace:
                self.stdout.write(f"    after firing {', '.join(each.trace)}")
            if each.before:
                self.stdout.write(f"    by version {each.from_version} it could finish: {', '.join(each.before)}")
        elif each.warning:
            self.stdout.write(f"{each.case_id} {each.outcome.replace('_', ' ')}; {each.warning}")


def _pair(given: str) -> tuple[str, str]:
    old, separator, new = given.partition("=")
    if not (old and separator and new):
        raise CommandError(f"--map {given}: write OLD=NEW, as in review=reading.", returncode=2)
    return old, new
