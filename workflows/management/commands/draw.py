"""`manage.py draw WORKFLOW|FILE`: a picture of a workflow, as SVG or as DOT text for Graphviz.

A file needs no database. A stored workflow is drawn with what works at its places; with `--case`, with the tokens that
case has now. Exit code 2: bad input.
"""

import uuid
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from workflows import selectors
from workflows.core.drawing import TooLargeToDraw
from workflows.core.errors import WorkflowNotFound
from workflows.management.definitions import is_file, read_definition
from workflows.models import Case

EXAMPLES = """examples:
  manage.py draw review.json -o review.svg
  manage.py draw document-approval -o approval.svg
  manage.py draw document-approval --case 0b9c... -o now.svg
  manage.py draw review.json -o review.dot && dot -Tpdf review.dot -o review.pdf"""


class Command(BaseCommand):
    help = "Draw a workflow as SVG or DOT."
    requires_system_checks = []

    def create_parser(self, *args: Any, **kwargs: Any) -> Any:
        return super().create_parser(*args, epilog=EXAMPLES, formatter_class=RawDescriptionHelpFormatter, **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("workflow", help="a stored workflow's id, a JSON or PNML file, or - for standard input")
        parser.add_argument("-o", "--output", help="where to write; the ending says the form: .svg or .dot")
        parser.add_argument("--dot", action="store_true", help="write DOT where no ending says it")
        parser.add_argument("--case", help="the id of a case whose tokens are shown")
        parser.add_argument("--refined", action="store_true", help="show the transitions a step is made of")

    def handle(self, *args: Any, **options: Any) -> None:
        output = options["output"]
        suffix = Path(output).suffix if output else (".dot" if options["dot"] else ".svg")
        if suffix not in (".svg", ".dot"):
            raise CommandError(f"--output {output}: the ending must be .svg or .dot.", returncode=2)
        picture = _picture(options["workflow"], options["case"])
        try:
            drawn = picture.dot(options["refined"]) if suffix == ".dot" else picture.svg(options["refined"])
        except TooLargeToDraw as error:
            raise CommandError(str(error), returncode=2) from None
        if output is None:
            self.stdout.write(drawn, ending="")
            return
        try:
            Path(output).write_text(drawn, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"Cannot write {output}: {error.strerror}.", returncode=2) from None


def _picture(name: str, case_id: str | None) -> selectors.Picture:
    if is_file(name):
        if case_id:
            raise CommandError("--case is for stored workflows, not for files.", returncode=2)
        return selectors.Picture(read_definition(name).net)
    try:
        found = selectors.existing_workflow(name)
    except WorkflowNotFound as error:
        raise CommandError(f"{error} A file's name ends in .json.", returncode=2) from None
    if case_id is None:
        assert found.current is not None
        return selectors.picture_of_version(found.current)
    try:
        case = Case.objects.select_related("version").get(pk=uuid.UUID(case_id), workflow=found)
    except (ValueError, Case.DoesNotExist):
        raise CommandError(f"--case {case_id}: {name} has no such case.", returncode=2) from None
    return selectors.picture_of_case(case)
