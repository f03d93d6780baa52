"""The sockets of `llm`: `uplink`, one for each gateway worker, and `chat`, one for each client of `/ws`."""

from llm.consumers.chat import ChatConsumer
from llm.consumers.uplink import UplinkConsumer

__all__ = ["ChatConsumer", "UplinkConsumer"]
