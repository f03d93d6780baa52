"""All writing to the tables of `llm`: one transaction each, and every change of configuration raises its version.

`configuration` holds the rule and the plain saves and deletes the admin uses; `configure` is the GraphQL mutation;
`catalogue`, `environment` and `discovery` bring in what is built in, set from outside or listed by providers themselves
(call them in this order at a start); `gateways` keeps what running gateways say of themselves.
"""

from llm.services.catalogue import seed_catalogue
from llm.services.configuration import (
    CONFIGURATION_GROUP,
    delete_keys,
    delete_models,
    delete_providers,
    hint,
    save_key,
    save_model,
    save_provider,
    set_enabled,
)
from llm.services.configure import configure_provider
from llm.services.discovery import discover, discover_ollama, probe_due
from llm.services.environment import sync_environment
from llm.services.gateways import connect_gateway, disconnect_gateway, forget_gateways, observe_gateway

__all__ = [
    "CONFIGURATION_GROUP",
    "configure_provider",
    "connect_gateway",
    "delete_keys",
    "delete_models",
    "delete_providers",
    "disconnect_gateway",
    "discover",
    "discover_ollama",
    "forget_gateways",
    "hint",
    "observe_gateway",
    "probe_due",
    "save_key",
    "save_model",
    "save_provider",
    "seed_catalogue",
    "set_enabled",
    "sync_environment",
]
