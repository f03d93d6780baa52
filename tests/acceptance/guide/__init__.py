"""The users' guide's code blocks, what becomes of each here (`plan.py`), and the page that says so."""
