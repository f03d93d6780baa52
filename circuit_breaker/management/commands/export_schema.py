"""`manage.py export_schema`: the GraphQL schema as text, in the repository so that every change of it is seen."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from graphql import print_schema

FILE = Path(settings.BASE_DIR) / "docs" / "schema.graphql"


class Command(BaseCommand):
    help = "Write the GraphQL schema to docs/schema.graphql, or with --check compare it with that file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="change nothing; fail if the file is out of date")

    def handle(self, *args: Any, **options: Any) -> None:
        from circuit_breaker.graphql.execution import load_schema

        text = print_schema(load_schema()) + "\n"
        if not options["check"]:
            FILE.write_text(text)
            print(f"Wrote {FILE}")
        elif not FILE.exists() or FILE.read_text() != text:
            raise CommandError(f"{FILE} is out of date. Run `make schema` and look at the difference.")
