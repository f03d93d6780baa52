"""`manage.py analyze FILE`: what a workflow can and cannot do, before a token moves or a dollar is spent.

Reads a definition (the JSON that `createWorkflow` takes) from a file or standard input and prints the verdicts of
`workflows/core/analysis`. Needs no database. Exit code 0: sound; 1: not sound or a proof failed; 2: bad input.
"""

import json
import math
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from workflows.core.analysis.plain import PlainNet, plain_net
from workflows.core.analysis.questions import unreachable_without
from workflows.core.analysis.report import Report, analyse_plain
from workflows.core.analysis.structure import Found
from workflows.core.analysis.verdict import Answer, Limits, Verdict
from workflows.management.definitions import read_definition

NANO = 1_000_000_000
EXAMPLES = """examples:
  manage.py analyze review.json
  manage.py analyze review.json --price review=0.02 --price publish=0.10
  manage.py analyze deploy.json --needs to_production:approve      (approval proof)
  manage.py analyze - --json < review.json"""


class Command(BaseCommand):
    help = "Analyse a workflow definition: soundness, bounds, deadlocks, worst price, approval proofs."
    requires_system_checks = []

    def create_parser(self, *args: Any, **kwargs: Any) -> Any:
        return super().create_parser(*args, epilog=EXAMPLES, formatter_class=RawDescriptionHelpFormatter, **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="a JSON definition, or - for standard input")
        parser.add_argument("--price", action="append", default=[], metavar="TRANSITION=USD", help="cost of one firing")
        parser.add_argument(
            "--needs",
            action="append",
            default=[],
            metavar="ACTION:APPROVAL[,APPROVAL]",
            help="prove that ACTION cannot fire before one of the approvals has",
        )
        parser.add_argument(
            "--states", type=int, default=Limits().states, help="most markings to look at (%(default)s)"
        )
        parser.add_argument("--json", action="store_true", help="print the whole report as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["states"] < 1:
            raise CommandError("--states must be 1 or more.", returncode=2)
        net = plain_net(read_definition(options["file"]).net)
        prices = dict(_price(given, net) for given in options["price"])
        limits = Limits(states=options["states"])
        report = analyse_plain(net, prices, limits)
        proofs = {given: _proof(given, net, limits) for given in options["needs"]}
        if options["json"]:
            written = {"report": asdict(report), "proofs": {name: asdict(proof) for name, proof in proofs.items()}}
            self.stdout.write(json.dumps(_plain(written), indent=2, ensure_ascii=False))
        else:
            self.stdout.write("\n".join(_lines(report, proofs, bool(prices))))
        if not report.sound.holds or not all(proof.holds for proof in proofs.values()):
            sys.exit(1)


def _price(given: str, net: PlainNet) -> tuple[str, int]:
    name, _, amount = given.partition("=")
    _known(name, net, "--price")
    try:
        nano = Decimal(amount) * NANO
    except InvalidOperation:
        raise CommandError(f"--price {given}: write TRANSITION=USD, as in review=0.02.", returncode=2) from None
    if not nano.is_finite() or nano < 0:
        raise CommandError(f"--price {given}: a price is zero or more.", returncode=2)
    return name, math.ceil(nano)


def _proof(given: str, net: PlainNet, limits: Limits) -> Verdict:
    action, _, written = given.partition(":")
    approvals = [name for name in written.split(",") if name]
    for name in (action, *approvals):
        _known(name, net, "--needs")
    return unreachable_without(net, action, approvals, limits)


def _known(name: str, net: PlainNet, option: str) -> None:
    if name not in net.transitions:
        raise CommandError(f"{option}: no transition {name!r}; there are {', '.join(net.transitions)}.", returncode=2)


def _lines(report: Report, proofs: dict[str, Verdict], priced: bool) -> Iterator[str]:
    """For people. Liveness is left to --json: a case that ends is never live."""
    for name, verdict in (
        ("sound", report.sound),
        ("bounded", report.bounded),
        ("free of deadlocks", report.deadlock_free),
        ("every transition can fire", report.dead_transitions),
        *((f"{needs.partition(':')[0]} needs {needs.partition(':')[2]}", proof) for needs, proof in proofs.items()),
    ):
        yield from _verdict(name, verdict)
    worst = report.worst_price
    if priced:
        dearest = {
            Answer.TRUE: f"at most {(worst.nano or 0) / NANO:.9f} USD",
            Answer.FALSE: f"unbounded: {', '.join(worst.loop)} can be paid for ever",
            Answer.UNKNOWN: f"UNKNOWN  {worst.note}",
        }
        yield f"{'worst price':28}{dearest[worst.answer]}"
        if worst.trace:
            yield f"{'':28}by firing {', '.join(worst.trace)}"
    for name, found in (("P-invariants", report.place_invariants), ("T-invariants", report.transition_invariants)):
        yield f"{name:28}{_sums(found)}"
    more = "" if report.complete else " (stopped at the limit)"
    yield f"{'state space':28}{report.states:,} markings, {report.edges:,} firings{more}"


def _verdict(name: str, verdict: Verdict) -> Iterator[str]:
    yield f"{name:28}{verdict.answer.value:9}{verdict.note}".rstrip()
    if verdict.witness:
        yield f"{'':28}{', '.join(verdict.witness)}"
    if verdict.trace:
        yield f"{'':28}after firing {', '.join(verdict.trace)}"


def _sums(found: Found) -> str:
    if not found.sets:
        return "none" if found.complete else "not found within the limit"
    shown = [
        " + ".join(name if weight == 1 else f"{weight}*{name}" for name, weight in each.items()) for each in found.sets
    ]
    return "; ".join(shown[:5]) + (f"; and {len(shown) - 5} more" if len(shown) > 5 else "")


def _plain(value: Any) -> Any:
    """JSON has no infinity: an unbounded place is written as null."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Enum):
        return value.value
    return None if value == math.inf else value
