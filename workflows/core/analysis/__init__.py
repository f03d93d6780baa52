"""Proof before run: what a net can and cannot do, decided without running it. Start at `report.py`."""
