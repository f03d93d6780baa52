"""`manage.py archive_cases --older-than 30d`: moves cases that finished so long ago out of the hot tables.

Workers do the same by themselves every few minutes with ARCHIVE_AFTER_DAYS; this does it now, to the end. May be
stopped and run again at any time. Exit code 0; 2: bad input.
"""

import re
import time
from argparse import ArgumentParser
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from workflows import services

BATCH = 100
PROGRESS_SECONDS = 2.0
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Command(BaseCommand):
    help = "Move finished cases to the archive, where they can still be read."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--older-than", required=True, metavar="AGE", help="since it finished: 30d, 12h, 2w")
        parser.add_argument("--limit", type=int, metavar="N", help="stop after looking at so many cases")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        before, left = now - _age(options["older_than"]), options["limit"]
        if left is not None and left < 1:
            raise CommandError("--limit must be 1 or more.", returncode=2)
        cases = passed_over = 0
        after, told = None, time.monotonic()
        while left is None or left > 0:
            size = BATCH if left is None else min(BATCH, left)
            done = services.archive_finished(before, now, size, after)
            cases, passed_over, after = cases + done.cases, passed_over + done.passed_over, done.last
            if after is None:
                break
            left = None if left is None else left - size
            if time.monotonic() - told > PROGRESS_SECONDS:
                told = time.monotonic()
                self.stderr.write(f"{cases:,} cases archived")
        self.stdout.write(f"{cases:,} cases archived{_left(passed_over, before)}")


def _left(passed_over: int, before: datetime) -> str:
    if not passed_over:
        return f"; none older than {before:%Y-%m-%d %H:%M} UTC is left"
    return f"; {passed_over:,} left: locked just now, or with effects that have not ended"


def _age(written: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,6})([smhdw])", written.strip())
    if found is None:
        raise CommandError(f"--older-than {written}: write a number and s, m, h, d or w, as in 30d.", returncode=2)
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
