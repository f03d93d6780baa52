"""The wires we speak to providers, and those our clients speak. Next file: `registry.py`, all of them by name."""
