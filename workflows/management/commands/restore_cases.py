"""`manage.py restore_cases ID…`: brings archived cases back, so that they can go on.

Each in a transaction of its own; one that is not archived stays as it is. Exit code 0; 2: an id is unknown (nothing is
restored then); 1: an archive is damaged, which is told, and the others are restored.
"""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from workflows import selectors, services
from workflows.core.errors import CaseNotFound
from workflows.core.marking import DamagedLog


class Command(BaseCommand):
    help = "Bring archived cases back, so that a token can be put into them or they can be migrated."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("case", nargs="+", metavar="ID")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            ids = [str(selectors.existing_case(each).pk) for each in dict.fromkeys(options["case"])]
        except CaseNotFound as error:
            raise CommandError(str(error), returncode=2) from None
        damaged = False
        for case_id in ids:
            try:
                restored = services.restore_case(case_id, timezone.now())
            except DamagedLog as error:
                damaged = True
                self.stderr.write(str(error))
                continue
            self.stdout.write(f"case {case_id}: {'restored' if restored else 'is not archived'}")
        if damaged:
            sys.exit(1)
