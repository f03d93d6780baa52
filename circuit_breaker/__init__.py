"""Wiring: settings, URLs, the joined schema, and the processes. The top of the house; no app imports it."""

__version__ = "0.1.0"
