"""Agents and place configurations: checked whole, then written.

A configuration and its wish to the workflow engine (a PlaceAction of kind "agent", whose reference is the
configuration's id) are written in one transaction: the action is enabled as its configuration is, and goes with it.
Everything is checked here, whoever calls: GraphQL, the admin or a seed. Next: `executions.py`.
"""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import ProtectedError

from agents import selectors
from agents.core import definition, loop, mapping, prompt, tools
from agents.core.errors import AgentInUse, BadDefinition, ConfigNotFound
from agents.models import Agent, PlaceAgentConfig
from workflows import selectors as workflow_selectors
from workflows import services as workflows
from workflows.core.errors import UnknownPlace
from workflows.core.guard import parse_rule
from workflows.core.notation import nearest
from workflows.core.payload import checked_object

KIND = "agent"
CRASH_ATTEMPTS = 5
"""Attempts of an effect beyond the configured model calls: a worker that dies spends one without a failed call."""
CONDITIONS_LIMIT = 50

TEMPLATES = (("system", "system"), ("userTemplate", "user_template"), ("contextInstructions", "context_instructions"))


def create_agent(fields: Mapping[str, Any], agent_id: str | None = None) -> Agent:
    """A new agent from the API's fields (AgentDefinitionInput, camelCase). Raises as `check_agent`."""
    columns = check_agent(fields)
    return Agent.objects.create(**columns, **({"id": agent_id} if agent_id else {}))


def update_agent(agent_id: str, fields: Mapping[str, Any]) -> Agent:
    """The agent with all its fields replaced. Raises as `create_agent`; UnknownVariable if a place no longer fits."""
    with transaction.atomic():
        agent = selectors.require_agent(agent_id)
        for name, value in check_agent(fields, agent_id).items():
            setattr(agent, name, value)
        agent.save()
    return agent


def delete_agent(agent_id: str) -> None:
    """Delete an agent that was never used. Raises AgentNotFound, AgentInUse."""
    agent = selectors.require_agent(agent_id)
    try:
        with transaction.atomic():
            agent.delete()
    except ProtectedError:
        raise AgentInUse(agent_id) from None


def create_place_agent_config(fields: Mapping[str, Any]) -> PlaceAgentConfig:
    """Put an agent to work at a place (CreatePlaceAgentConfigInput, camelCase).

    Raises BadDefinition, NotSupported, MappingFailed, UnknownVariable, AgentNotFound, and the workflow engine's
    BadDefinition (trigger conditions), WorkflowNotFound, UnknownPlace, UnknownTransition.
    """
    with transaction.atomic():
        config = PlaceAgentConfig.objects.create(**check_place_agent_config(fields))
        _attach(config)
    return config


def update_place_agent_config(config_id: str, fields: Mapping[str, Any]) -> PlaceAgentConfig:
    """The configuration with all its fields replaced. Raises as `create_place_agent_config`, ConfigNotFound."""
    with transaction.atomic():
        config = _locked_config(config_id)
        columns = check_place_agent_config(fields)
        workflows.detach_action(KIND, config.pk)
        for name, value in columns.items():
            setattr(config, name, value)
        config.save()
        _attach(config)
    return config


def delete_place_agent_config(config_id: str) -> None:
    """Take an agent from a place; its executions stay. Raises ConfigNotFound."""
    with transaction.atomic():
        config = _locked_config(config_id)
        workflows.detach_action(KIND, config.pk)
        config.delete()


def check_agent(fields: Mapping[str, Any], agent_id: str | None = None) -> dict[str, Any]:
    """The columns of an agent with these fields; with an id, it must also still fit where that agent works.

    Raises BadDefinition, KeyRefused, NotSupported, UnknownVariable, and the workflow engine's BadInput.
    """
    checked = checked_object(fields, "input")
    provider = definition.parse_provider(checked.pop("llmProvider", None))
    config = definition.parse(definition.LlmConfig, checked.pop("llmConfig", None), "llmConfig")
    prompts = definition.parse(definition.Prompts, checked.pop("prompts", None), "prompts")
    profile = definition.parse(definition.Profile, checked, "")
    tools.find_tools(profile.tools)
    for name, attribute in TEMPLATES:
        _check_plain_variables(f"prompts.{name}", getattr(prompts, attribute))
    columns: dict[str, Any] = {
        "name": profile.name,
        "description": profile.description,
        "capabilities": profile.capabilities,
        "tools": profile.tools,
        "llm_provider": definition.plain(provider),
        "llm_config": definition.plain(config),
        "prompts": definition.plain(prompts),
    }
    for input_mapping in PlaceAgentConfig.objects.filter(agent=agent_id).values_list("input_mapping", flat=True):
        _check_prompts(columns["prompts"], input_mapping)
    return columns


def check_place_agent_config(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a place configuration with these fields. Raises as `create_place_agent_config`."""
    checked = checked_object(fields, "input")
    place = definition.parse(definition.Placing, checked, "")
    mapping.check_input_mapping(place.input_mapping)
    mapping.check_output_mapping(place.output_mapping)
    loop.check_retry_config(place.retry_config)
    definition.check_schedule(place.schedule)
    agent = selectors.require_agent(place.agent_id)
    _check_prompts(agent.prompts, place.input_mapping)
    _check_place(place)
    return {
        "workflow_id": place.workflow_id,
        "place_id": place.place_id,
        "agent": agent,
        "llm_config": definition.plain(place.llm_config),
        "input_mapping": place.input_mapping,
        "output_mapping": place.output_mapping,
        "auto_transition": place.auto_transition,
        "schedule": definition.plain(place.schedule),
        "retry_config": definition.plain(place.retry_config),
        "trigger_conditions": _conditions(place.trigger_conditions),
        "enabled": place.enabled,
    }


def _check_plain_variables(name: str, template: str) -> None:
    """Refuse what no input could ever make right: a field of a variable that is plain text."""
    for variable in sorted(prompt.placeholders(template)):
        head, _, field = variable.partition(".")
        if field and head in prompt.PLAIN_VARIABLES:
            raise BadDefinition(name, f"{{{variable}}} asks for a field of {{{head}}}, which is plain text.")


def _check_prompts(prompts: Mapping[str, str], input_mapping: Mapping[str, str]) -> None:
    """With a mapping the input's keys are known, so each placeholder can be. Raises UnknownVariable."""
    if input_mapping:
        for name, _ in TEMPLATES:
            known = {*prompt.VARIABLES, *input_mapping}
            prompt.check_placeholders(f"prompts.{name}", prompts.get(name, ""), known)


def _check_place(place: definition.Placing) -> None:
    """That the place exists and the transition leads away from it. Of "any workflow" nothing can be known yet."""
    if not place.workflow_id:
        return
    found = workflow_selectors.existing_workflow(place.workflow_id)
    assert found.current is not None
    net = workflow_selectors.net_of(found.current)
    if place.place_id not in net.places:
        raise UnknownPlace(place.workflow_id, place.place_id, nearest(place.place_id, net.places))
    if not place.auto_transition:
        return
    transition = workflow_selectors.known_transition(net, place.workflow_id, place.auto_transition)
    if place.place_id not in transition.source_places:
        sources = ", ".join(transition.source_places)
        raise BadDefinition(
            "autoTransition", f"transition {transition.id!r} does not leave {place.place_id!r} but: {sources}."
        )


def _attach(config: PlaceAgentConfig) -> None:
    retry = definition.parse(definition.RetryConfig, config.retry_config, "retryConfig")
    schedule = definition.parse(definition.Schedule, config.schedule, "schedule")
    workflows.attach_action(
        config.place_id,
        KIND,
        config.pk,
        workflow_id=config.workflow_id or None,
        enabled=config.enabled,
        max_attempts=retry.max_attempts + CRASH_ATTEMPTS,
        delay_seconds=schedule.initial_delay_seconds,
        every_seconds=schedule.interval_seconds,
        most_runs=schedule.max_executions,
    )


def _conditions(written: Any) -> list[Any]:
    """The trigger conditions as a list; one rule may be written without it."""
    rules = written if isinstance(written, list) else [written] if written else []
    if len(rules) > CONDITIONS_LIMIT:
        raise BadDefinition("triggerConditions", f"has {len(rules)} rules; at most {CONDITIONS_LIMIT} are allowed.")
    for position, rule in enumerate(rules):
        parse_rule(rule, f"triggerConditions[{position}]")
    return rules


def _locked_config(config_id: str) -> PlaceAgentConfig:
    config = PlaceAgentConfig.objects.select_for_update().filter(pk=config_id).first()
    if config is None:
        raise ConfigNotFound(config_id)
    return config
