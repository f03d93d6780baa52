"""`manage.py discover [PROVIDER ...]`: ask providers for their models now, and print what came of it."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from llm import services
from llm.models import Provider


class Command(BaseCommand):
    help = "Ask providers for their list of models; without names, all that are configured. Never a paid call."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("providers", nargs="*", metavar="PROVIDER", help="as in `provider/model`, e.g. openai")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted: list[str] = options["providers"]
        unknown = sorted(set(wanted) - set(Provider.objects.values_list("slug", flat=True)))
        if unknown:
            raise CommandError(f"No provider is called {', '.join(unknown)}.")
        found = services.discover(wanted or None)
        for slug in wanted or sorted(found):
            answer = found.get(slug)
            if answer is None:
                self.stdout.write(f"{slug}: not configured, so not asked")
            else:
                self.stdout.write(f"{slug}: {answer.problem or f'{len(answer.models or ())} models'}")
        if not found:
            self.stdout.write("No provider is configured: set a key, e.g. OPENAI_API_KEY.")
        if any(not answer.ok for answer in found.values()):
            raise CommandError("At least one provider did not answer.")
