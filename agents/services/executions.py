"""The runs of agents, made durable: asked for through the outbox, done once, stored before anything moves.

`run` is the handler of effects of kind "agent". It may be called again for one effect (a worker died, a lease was
lost): an execution whose row holds an answer is answered from there, so a crash between the reply and the
token's move costs no second model call. No transaction is open while the model is called. The result goes back to the
workflow engine, which applies it once. Next: `workflows/services/effects.py`.
"""

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from agents import gateway, selectors
from agents.core import definition, loop, mapping, prompt
from agents.core.errors import AgentError, MappingFailed, ModelCallFailed
from agents.models import Agent, AgentExecution, PlaceAgentConfig
from agents.services import progress
from agents.services.definitions import CRASH_ATTEMPTS, KIND
from billing.core.pricing import NANO
from workflows import outbox
from workflows import selectors as workflow_selectors
from workflows import services as workflows
from workflows.actions import EffectFailed, EffectResult, EffectRun, TokenView
from workflows.core.guard import evaluate, parse_rule
from workflows.core.payload import checked_object

Status = AgentExecution.Status
SETTLE_BATCH = 1000
"""Open executions looked at in one go, the oldest first; the rest waits for the next."""
REQUEST_IDS_KEPT = 100


def execute_agent(agent_id: str, input_data: Any = None, token_id: str | None = None) -> AgentExecution:
    """Ask for one run of an agent; its execution, PENDING. A worker does the rest.

    With a token, its variables exist in the prompts and its data is the input where none is given; the token itself is
    not changed (that is what place configurations are for). Raises AgentNotFound, UnknownVariable, PromptTooLong, and
    the workflow engine's TokenNotFound, BadInput.
    """
    agent = selectors.require_agent(agent_id)
    token = view_of(token_id) if token_id else None
    given = checked_object(input_data, "inputData") if input_data is not None else dict(token.data) if token else {}
    _compose(agent, None, given, token)  # refuses now what would fail later
    with transaction.atomic():
        effect_id = workflows.enqueue(
            KIND,
            reference=agent.pk,
            payload={"token": asdict(token) | {"data": {}} if token else None},
            max_attempts=definition.RetryConfig().max_attempts + CRASH_ATTEMPTS,
        )
        execution = AgentExecution.objects.create(
            effect_id=effect_id,
            agent=agent,
            input_data=given,
            token_id=token.id if token else "",
            workflow_id=token.workflow_id if token else "",
            place_id=token.place if token else "",
        )
        progress.note(execution)
    return execution


def run(effect: EffectRun) -> EffectResult:
    """Do one attempt at an effect of kind "agent". Raises EffectFailed, with the execution's row saying the same."""
    execution = _begin(effect)
    if execution is None or execution.status == Status.CANCELLED:
        return EffectResult()
    try:
        token = _token_of(effect)
        if execution.output_data is None:
            execution = _call(execution, effect, token)
        result = _result(execution, token)
        progress.change(AgentExecution.objects.filter(pk=execution.pk, status=Status.FAILED), status=Status.COMPLETED)
        return result
    except ModelCallFailed as failure:
        raise _failed_call(execution, effect, failure) from failure
    except AgentError as problem:
        raise _end(execution, effect, Status.FAILED, str(problem)) from problem


def settle_abandoned() -> int:
    """Close open executions whose effect the workflow engine has given up or orphaned; returns how many.

    Needed where nobody came back to say so: each attempt's worker died, or the token had gone before a retry.
    """
    oldest = AgentExecution.objects.filter(status__in=AgentExecution.OPEN).order_by("created_at")
    effects = dict(oldest.values_list("effect_id", "pk")[:SETTLE_BATCH])
    settled = 0
    for effect_id, state, error in outbox.ended_without_result(effects):
        failed = state == "failed"
        settled += progress.change(
            AgentExecution.objects.filter(pk=effects[effect_id], status__in=AgentExecution.OPEN),
            status=Status.FAILED if failed else Status.CANCELLED,
            error_message=error,
            completed_at=timezone.now(),
        )
    return settled


def _begin(effect: EffectRun) -> AgentExecution | None:
    """The effect's execution, RUNNING in this attempt unless it had ended; None if the place's agent is not to run."""
    with transaction.atomic():
        execution = AgentExecution.objects.select_for_update().filter(effect_id=effect.id).first()
        if execution is None:
            execution = _first_execution(effect)
        if execution is None or execution.output_data is not None or execution.status == Status.CANCELLED:
            return execution
        if execution.config_id is None and effect.reference != execution.agent_id:
            execution.error_message = "The agent configuration was deleted before its agent was done."
            execution.status, execution.completed_at = Status.CANCELLED, timezone.now()
            execution.save()
            progress.note(execution)
            return execution
        if execution.attempt > effect.attempt:
            raise EffectFailed(f"Attempt {effect.attempt} came after attempt {execution.attempt} had begun.")
        execution.status, execution.attempt = Status.RUNNING, effect.attempt
        execution.started_at, execution.completed_at = execution.started_at or timezone.now(), None
        execution.request_ids = [*execution.request_ids, _request_id(effect)][-REQUEST_IDS_KEPT:]
        execution.save()
        progress.note(execution)
    return execution


def _first_execution(effect: EffectRun) -> AgentExecution | None:
    """The row of an effect that a token's arrival asked for; None if disabled since, or its conditions do not hold."""
    config = PlaceAgentConfig.objects.filter(pk=effect.reference).first()
    if config is None:
        raise EffectFailed(f"The agent configuration {effect.reference!r} was deleted before its agent could run.")
    if effect.token is None:
        raise EffectFailed(f"The agent configuration {effect.reference!r} needs a token, and the effect has none.")
    if not config.enabled or not conditions_hold(config, effect.token):
        return None
    execution, made = AgentExecution.objects.get_or_create(
        effect_id=effect.id,
        defaults={
            "agent_id": config.agent_id,
            "config": config,
            "token_id": effect.token.id,
            "workflow_id": effect.token.workflow_id,
            "place_id": effect.token.place,
        },
    )
    if made:
        progress.note(execution)
    return execution


def _call(execution: AgentExecution, effect: EffectRun, token: TokenView | None) -> AgentExecution:
    """Ask the model, in no transaction, and store what it said. Raises AgentError."""
    config = execution.config
    if config is not None and token is not None:
        whole = {"id": token.id, "place": token.place, "data": token.data, "metadata": token.metadata}
        mapped = mapping.map_input(config.input_mapping, whole) if config.input_mapping else dict(token.data)
        execution.input_data = mapped
        AgentExecution.objects.filter(pk=execution.pk).update(input_data=mapped)
    ask = _compose(execution.agent, config, execution.input_data, token)
    caller = gateway.Caller(execution.pk, effect.id, _request_id(effect))
    answer = loop.run(ask, partial(gateway.call_model, caller))
    if config is not None:
        _check_answer(config, answer)
    return _store(execution, answer)


def _store(execution: AgentExecution, answer: loop.Answer) -> AgentExecution:
    """Book the answer, unless another attempt has booked one: then that one counts."""
    nano = None if answer.cost_usd is None else int(answer.cost_usd * NANO)
    progress.change(
        AgentExecution.objects.filter(pk=execution.pk).exclude(status=Status.COMPLETED),
        status=Status.COMPLETED,
        output_data=answer.output,
        reply_text=answer.text,
        error_message="",
        model=answer.model,
        finish_reason=answer.finish_reason,
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
        cost_nano=nano,
        completed_at=timezone.now(),
    )
    return AgentExecution.objects.select_related("config", "agent").get(pk=execution.pk)


def _result(execution: AgentExecution, token: TokenView | None) -> EffectResult:
    """What a stored answer means for the token. Raises MappingFailed."""
    config = execution.config
    if config is None or token is None:
        return EffectResult()
    answer = mapping.available(execution.output_data or {}, execution.reply_text)
    change = mapping.map_output(config.output_mapping, answer, token.data, token.metadata)
    return EffectResult(data=change.data, metadata=change.metadata, fire=config.auto_transition or None)


def _check_answer(config: PlaceAgentConfig, answer: loop.Answer) -> None:
    """An answer without a mapped key counts as malformed: the model may do better when asked again."""
    keys = mapping.available(answer.output, answer.text)
    for source in config.output_mapping.values():
        try:
            mapping.read(keys, source, "outputMapping")
        except MappingFailed as problem:
            raise ModelCallFailed(f"The answer cannot be mapped: {problem}", "malformed", status=200) from problem


def _failed_call(execution: AgentExecution, effect: EffectRun, failure: ModelCallFailed) -> EffectFailed:
    """Book a failed call: PENDING again if it is to be retried, else FAILED or TIMEOUT. Returns what to raise."""
    written = execution.config.retry_config if execution.config else {}
    retry = definition.parse(definition.RetryConfig, written, "retryConfig")
    wait = loop.wait_before_retry(failure, execution.retry_count + 1, retry)
    if wait is None:
        status = Status.TIMEOUT if failure.kind == "timeout" else Status.FAILED
        return _end(execution, effect, status, str(failure))
    progress.change(
        _mine(execution, effect),
        status=Status.PENDING,
        error_message=str(failure),
        retry_count=execution.retry_count + 1,
    )
    return EffectFailed(str(failure), retryable=True, retry_after=wait)


def _end(execution: AgentExecution, effect: EffectRun, status: str, message: str) -> EffectFailed:
    """Close the execution as failed. Returns what to raise."""
    progress.change(_mine(execution, effect), status=status, error_message=message, completed_at=timezone.now())
    return EffectFailed(message)


def _mine(execution: AgentExecution, effect: EffectRun) -> QuerySet[AgentExecution]:
    """The row, as long as this attempt is the newest: a late failure overwrites nothing."""
    return AgentExecution.objects.filter(pk=execution.pk, attempt=effect.attempt)


def _compose(
    agent: Agent, config: PlaceAgentConfig | None, input_data: Mapping[str, Any], token: TokenView | None
) -> loop.Ask:
    """The request with its prompts filled in. Raises UnknownVariable, PromptTooLong."""
    settings = definition.parse(definition.LlmConfig, agent.llm_config, "llmConfig")
    if config is not None:
        over = definition.parse(definition.LlmConfig, config.llm_config, "llmConfig")
        settings = definition.overlaid(settings, over)
    return loop.compose(
        definition.parse_provider(agent.llm_provider).model,
        definition.parse(definition.Prompts, agent.prompts, "prompts"),
        settings,
        prompt.variables_of(input_data, asdict(token) if token else None),
    )


def conditions_hold(config: PlaceAgentConfig, token: TokenView) -> bool:
    """Whether the configuration's agent is to run for the token as it is."""
    rules = [parse_rule(written, "triggerConditions") for written in config.trigger_conditions]
    return all(evaluate(rule, token.data, token.metadata).passed for rule in rules)


def _token_of(effect: EffectRun) -> TokenView | None:
    """The token that arrived, or the one an execution was asked for with, as it stood then."""
    given = effect.payload.get("token")
    return TokenView(**given) if effect.token is None and given else effect.token


def view_of(token_id: str) -> TokenView:
    """The token as the engine's handlers see one. Raises TokenNotFound, CaseArchived."""
    row = workflow_selectors.existing_token(token_id)
    return TokenView(
        id=str(row.pk),
        workflow_id=row.workflow_id,
        case_id=str(row.case_id),
        place=row.place,
        data=row.data,
        metadata=row.metadata,
        version=row.version,
        history_count=row.history_count,
    )


def _request_id(effect: EffectRun) -> str:
    return f"{effect.id}-{effect.attempt}"
