"""`manage.py seed`: the rows every installation has, and what the environment says of providers. Idempotent."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from circuit_breaker import settings, setup


class Command(BaseCommand):
    help = (
        "Bring in the built-in catalogue of models and prices, the providers and keys named in the environment, the"
        " models of a running Ollama and the workflows that exist from the start. Rows a person has edited stay as"
        " they are, and running it again changes nothing. `serve` does this at every start."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--migrate", action="store_true", help="create or update the tables first")
        parser.add_argument("--template", type=Path, help="skip the migrations if this file exists, else make it")
        parser.add_argument("--json", action="store_true", help="print what was found as JSON, for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = setup.prepare(options["template"]) if options["migrate"] else setup.seed()
        except Error as error:
            raise CommandError(database_trouble(error)) from error
        except Exception as error:
            if not isinstance(getattr(error, "code", None), str):
                raise
            raise CommandError(str(error)) from error
        if options["json"]:
            sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
            return
        for provider in report.providers:
            print(f"{provider.name}: {setup.source_of(provider, settings.env.from_file)}")
        print(f"{report.models} models of {len(report.providers)} usable providers.")
        if report.sandbox:
            print("No provider is usable: `serve` lets the built-in sandbox stand in for them.")


def database_trouble(error: Exception) -> str:
    """One line that says which database did what, without its password."""
    from django.db import connection

    if settings.STORAGE_BACKEND != "postgres":
        return f"The database {settings.DATABASES['default']['NAME']} cannot be used: {_first_line(error)}"
    where = connection.settings_dict
    address = f"{where['HOST'] or 'localhost'}:{where['PORT'] or 5432}/{where['NAME']}"
    reason = _first_line(error).rpartition("failed: ")[2]
    return f"Postgres at {address} cannot be used: {reason} (see DATABASE_URL)"


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
