"""Writes of the agents app, one transaction each: `definitions` of agents and where they work, `executions`,
`triggering` of those at a token's place; `progress` notes what becomes of them."""

from agents.services.definitions import (
    check_agent,
    check_place_agent_config,
    create_agent,
    create_place_agent_config,
    delete_agent,
    delete_place_agent_config,
    update_agent,
    update_place_agent_config,
)
from agents.services.executions import execute_agent, run, settle_abandoned
from agents.services.triggering import trigger_place_agents

__all__ = [
    "check_agent",
    "check_place_agent_config",
    "create_agent",
    "create_place_agent_config",
    "delete_agent",
    "delete_place_agent_config",
    "execute_agent",
    "run",
    "settle_abandoned",
    "trigger_place_agents",
    "update_agent",
    "update_place_agent_config",
]
