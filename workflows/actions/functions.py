"""Does effects of kind "function": find it on the allow-list, check what goes in, run it, check what comes out.

It may run twice for one effect (a worker died); the effect's id goes with it, as CIRCUIT_BREAKER_EFFECT_ID or as
`Idempotency-Key`, and only the first result counts. A fault of the schemas or of the program is not tried again, unless
it ends with exit code 75; a call that found nobody is. Secrets are in no error, no log and no result.
Next: `functions_file.py`, `processes.py`, `http_call.py`.
"""

import json
import os
import re
import shutil
import signal
import uuid
from collections.abc import Collection, Mapping
from typing import Any, NoReturn
from urllib.parse import quote

from workflows.actions import http_call, secrets
from workflows.actions.functions_file import allowed_functions
from workflows.actions.processes import Ended, Program, run_program
from workflows.core.containers import RUNTIME_FAILED, kill_line, run_line
from workflows.core.effects import EffectResult, EffectRun
from workflows.core.errors import BadDefinition, EffectFailed
from workflows.core.functions import TRY_AGAIN_EXIT, Command, Container, Function, HttpCall, Limits
from workflows.core.json_schema import violations
from workflows.core.notation import nearest

KIND = "function"
RUNTIMES = ("docker", "podman")
TAIL_LENGTH = 1_000
"""Characters of a program's error output that are kept with the failure."""
CLIENT_VARIABLES = ("HOME", "DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "XDG_RUNTIME_DIR")


class TimedOut(EffectFailed):
    """The function's time limit passed."""


def run(effect: EffectRun) -> EffectResult:
    """The handler: a step's input or the token's data goes in, the output is merged. Raises EffectFailed.

    In a step the time limit is the outcome `timeout`; every other failure is `failed`.
    """
    function = known(effect.reference)
    about = {"EFFECT_ID": effect.id, "ATTEMPT": str(effect.attempt)}
    if effect.token is not None:
        about |= {"TOKEN_ID": effect.token.id, "CASE_ID": effect.token.case_id}
    try:
        output = execute(function, _given(function, effect), about)
    except TimedOut as error:
        if not effect.step:
            raise
        about_error = {"step": effect.step, "message": str(error), "attempts": effect.attempt}
        return EffectResult(metadata={"error": about_error}, outcome="timeout")
    fire = None if effect.step else function.fire
    if function.result is not None:
        return EffectResult(data={function.result: output}, fire=fire)
    if not isinstance(output, dict):
        raise EffectFailed(f"{function.name}: the output is no JSON object; `result` names a member that takes others.")
    return EffectResult(data=output, fire=fire)


def _given(function: Function, effect: EffectRun) -> dict[str, Any]:
    """What a step's template made, or what the function takes of the token's data."""
    if effect.step:
        return dict(effect.input)
    given = dict(effect.payload) if effect.token is None else dict(effect.token.data)
    return given if function.take is None else {name: given[name] for name in function.take if name in given}


def known(name: str) -> Function:
    """The function of the allow-list; raises EffectFailed for one that is not on it, and for a faulty list."""
    try:
        allowed = allowed_functions()
    except BadDefinition as fault:
        raise EffectFailed(f"No function runs: the allow-list is faulty: {fault}.", retryable=True) from None
    if not allowed:
        raise EffectFailed(
            f"Function {name!r} is not allowed: FUNCTIONS_FILE names none. See docs/how-to/functions.md."
        )
    if name not in allowed:
        hint = nearest(name, allowed) or "."
        raise EffectFailed(f"Function {name!r} is not allowed: FUNCTIONS_FILE does not name it{hint}")
    return allowed[name]


def execute(function: Function, given: Any, about: Mapping[str, str]) -> Any:
    """Run it once with `given`; returns its output. `about`: the CIRCUIT_BREAKER_… variables. Raises EffectFailed."""
    _fits(function, "input", function.input_schema, given)
    hidden = secrets.resolve(function.secrets)
    if isinstance(function.work, HttpCall):
        raw = _call(function, function.work, given, hidden, about)
    else:
        variables = dict(function.environment) | hidden
        variables |= {f"CIRCUIT_BREAKER_{name}": value for name, value in about.items()}
        raw = _start(function, function.work, json.dumps(given, ensure_ascii=False).encode(), variables, hidden)
    output = _parsed(function, raw)
    _fits(function, "output", function.output_schema, output)
    return secrets.redact_value(output, hidden.values())


def _fits(function: Function, what: str, schema: Mapping[str, Any] | None, value: Any) -> None:
    found = violations(schema, value) if schema is not None else []
    if found:
        raise EffectFailed(f"{function.name}: the {what} does not fit its schema: {'; '.join(map(str, found))}.")


def _start(
    function: Function,
    work: Command | Container,
    given: bytes,
    variables: Mapping[str, str],
    hidden: Mapping[str, str],
) -> bytes:
    if isinstance(work, Command):
        ended = run_program(Program(work.argv, variables, work.user), given, function.limits)
    else:
        ended = _run_image(work, given, variables, function.limits)
    if ended.stopped is None and ended.exit == 0:
        return ended.output
    runtime_fault = isinstance(work, Container) and ended.exit == RUNTIME_FAILED
    raise _failure(function, ended, hidden.values(), try_again=ended.exit == TRY_AGAIN_EXIT or runtime_fault)


def _run_image(work: Container, given: bytes, variables: Mapping[str, str], limits: Limits) -> Ended:
    runtime = next(filter(None, map(shutil.which, RUNTIMES)), None)
    if runtime is None:
        raise EffectFailed(f"To run an image the worker needs {' or '.join(RUNTIMES)}; none is installed here.")
    name = f"circuit-breaker-{uuid.uuid4()}"
    environment = {key: os.environ[key] for key in CLIENT_VARIABLES if key in os.environ} | dict(variables)
    client = Program(run_line(runtime, name, work, limits, variables), environment, confined=False)
    ended = run_program(client, given, limits)
    if ended.stopped is not None:  # the client is gone; the container, which the runtime's daemon holds, is not
        run_program(Program(kill_line(runtime, name), environment, confined=False), b"", Limits(seconds=30))
    return ended


def _failure(function: Function, ended: Ended, hidden: Collection[str], *, try_again: bool) -> EffectFailed:
    name, limits = function.name, function.limits
    said = secrets.redact(ended.stderr.decode(errors="replace"), hidden)[-TAIL_LENGTH:].strip()
    tail = f" It said: {said}" if said else ""
    if ended.stopped == "time":
        return TimedOut(f"{name} was stopped after {limits.seconds:g} s.{tail}")
    if ended.stopped == "output":
        return EffectFailed(f"{name} wrote more than {limits.output_bytes} bytes and was stopped.")
    if ended.stopped is not None:
        return EffectFailed(f"{name} was lost: its launcher ended.{tail}", retryable=True)
    if ended.signal is not None:
        spent = ended.signal == signal.SIGXCPU
        why = f": it used {limits.cpu_seconds} s of processor time" if spent else ""
        return EffectFailed(f"{name} was ended by {signal.Signals(ended.signal).name}{why}.{tail}")
    return EffectFailed(f"{name} ended with exit code {ended.exit}.{tail}", retryable=try_again)


def _call(function: Function, work: HttpCall, given: Any, hidden: Mapping[str, str], about: Mapping[str, str]) -> bytes:
    headers = {"accept": "application/json", "user-agent": "circuit-breaker"}
    for name, value in work.headers.items():
        for secret in hidden:
            value = value.replace(f"${{{secret}}}", hidden[secret])
        headers[name.lower()] = value
    if "EFFECT_ID" in about:
        headers["idempotency-key"] = about["EFFECT_ID"]
    body = None
    if work.method != "GET":
        headers["content-type"] = "application/json"
        body = json.dumps(given, ensure_ascii=False).encode()
    request = http_call.Request(
        method=work.method,
        url=_filled(function, work.url, given),
        headers=headers,
        body=body,
        seconds=function.limits.seconds,
        private_address=work.private_address,
        most_bytes=function.limits.output_bytes,
    )
    try:
        return http_call.call(request).body
    except http_call.TookTooLong as error:
        raise TimedOut(f"{function.name}: {error}") from None
    except EffectFailed as error:
        raise EffectFailed(f"{function.name}: {error}", error.retryable, error.retry_after) from None


def _filled(function: Function, url: str, given: Any) -> str:
    """The URL with `{name}` replaced by that member of the input, so encoded that it cannot add a path or a query."""

    def fill(found: re.Match[str]) -> str:
        value = given.get(found.group(1)) if isinstance(given, Mapping) else None
        if isinstance(value, bool) or not isinstance(value, str | int | float) or value in ("", ".", ".."):
            raise EffectFailed(f"{function.name}: the URL needs a text or a number {found.group(1)!r} in the input.")
        return quote(str(value), safe="")

    return re.sub(r"\{([A-Za-z0-9_.-]+)\}", fill, url)


def _parsed(function: Function, raw: bytes) -> Any:
    if not raw.strip():
        return {}
    try:
        return json.loads(raw, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        at = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise EffectFailed(f"{function.name}: the output is no JSON{at}.") from None


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")
