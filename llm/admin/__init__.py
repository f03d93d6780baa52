"""The admin of providers, models and gateways. Every write goes through `llm.services`, so that gateways hear of it."""

from llm.admin.gateways import GatewayStateAdmin
from llm.admin.models import ModelAdmin
from llm.admin.providers import ProviderAdmin

__all__ = ["GatewayStateAdmin", "ModelAdmin", "ProviderAdmin"]
