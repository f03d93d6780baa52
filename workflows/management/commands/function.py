"""`manage.py function list|run`: the functions workflows may use, and one of them tried without a workflow.

`run` does what a worker would do, with the same limits; it needs no database. Exit code 1: it failed; 2: bad input.
"""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from workflows.actions.functions import execute, known
from workflows.actions.functions_file import allowed_functions
from workflows.core.errors import BadDefinition, BadInput, EffectFailed
from workflows.core.functions import Command as Program
from workflows.core.functions import Container, Function
from workflows.core.payload import checked_object

TRIAL = {"EFFECT_ID": "trial", "ATTEMPT": "1"}


class Command(BaseCommand):
    help = "List the functions of FUNCTIONS_FILE, or run one with a JSON object and print its output."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list", help="what FUNCTIONS_FILE allows")
        run = actions.add_parser("run", help="run one as a worker would, and print its output")
        run.add_argument("name")
        run.add_argument("--input", default="-", metavar="FILE", help="a JSON object; - for standard input (default)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["action"] == "list":
                _list()
            else:
                output = execute(known(options["name"]), _given(options["input"]), TRIAL)
                print(json.dumps(output, indent=2, ensure_ascii=False))
        except EffectFailed as failure:
            print(str(failure), file=sys.stderr)
            sys.exit(1)
        except BadDefinition as fault:
            raise CommandError(str(fault), returncode=2) from None


def _list() -> None:
    if not settings.FUNCTIONS_FILE:
        print("No function is allowed: FUNCTIONS_FILE is not set.")
        return
    for function in allowed_functions().values():
        print(f"{function.name:<24} {function.kind:<8} {_target(function)}")
        if function.description:
            print(f"{'':<33} {function.description}")


def _target(function: Function) -> str:
    work = function.work
    if isinstance(work, Program):
        return " ".join(work.argv)
    return work.image if isinstance(work, Container) else f"{work.method} {work.url}"


def _given(name: str) -> dict[str, Any]:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text()
        return checked_object(json.loads(text), "input")
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}.", returncode=2) from None
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{name} is no JSON: {error}.", returncode=2) from None
    except BadInput as error:
        raise CommandError(str(error), returncode=2) from None
