"""`manage.py pnml import|export`: definitions from PNML files and PNML files from definitions.

Import prints the definition that `createWorkflow` takes, or with `--create` makes the workflow. Exit code 2: bad input.
"""

import json
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from workflows import services
from workflows.core.errors import WorkflowError
from workflows.core.pnml import pnml_from_definition, write_pnml
from workflows.management.definitions import read_compiled, read_pnml_definition

EXAMPLES = """examples:
  manage.py pnml import order.pnml -o order.json
  manage.py pnml import order.pnml --initial-place start --create --id orders
  manage.py pnml export orders -o orders.pnml
  manage.py pnml export orders --refined -o orders-for-analysis.pnml"""


class Command(BaseCommand):
    help = "Read and write PNML, the exchange format of Petri nets (P/T nets)."
    requires_system_checks = []

    def create_parser(self, *args: Any, **kwargs: Any) -> Any:
        return super().create_parser(*args, epilog=EXAMPLES, formatter_class=RawDescriptionHelpFormatter, **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        ways = parser.add_subparsers(dest="way", required=True)
        reading = ways.add_parser("import", help="a definition from a PNML file")
        reading.add_argument("file", help="the PNML file, or - for standard input")
        reading.add_argument("--initial-place", help="where a case begins, if no place has exactly one token")
        reading.add_argument("--create", action="store_true", help="make the workflow instead of printing it")
        reading.add_argument("--id", help="the id of the workflow that is made")
        writing = ways.add_parser("export", help="a PNML file from a definition")
        writing.add_argument("workflow", help="a stored workflow's id, or a JSON definition's file")
        writing.add_argument("--refined", action="store_true", help="steps as the transitions they are made of")
        for each in (reading, writing):
            each.add_argument("-o", "--output", help="the file to write; default: standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["way"] == "export":
            try:
                text = write_pnml(pnml_from_definition(read_compiled(options["workflow"]), options["refined"]))
            except WorkflowError as error:
                raise CommandError(str(error), returncode=2) from None
            return self._write(text, options["output"])
        definition = read_pnml_definition(options["file"], options["initial_place"])
        if not options["create"]:
            return self._write(json.dumps(definition, indent=2, ensure_ascii=False) + "\n", options["output"])
        if options["id"]:
            definition["id"] = options["id"]
        try:
            made = services.create_workflow(definition)
        except WorkflowError as error:
            raise CommandError(str(error), returncode=2) from None
        return self.stdout.write(f"Made workflow {made.pk}.")

    def _write(self, text: str, output: str | None) -> None:
        if output is None:
            self.stdout.write(text, ending="")
            return
        try:
            Path(output).write_text(text, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"Cannot write {output}: {error.strerror}.", returncode=2) from None
