"""How well the catalogue's models do at kinds of task: data for choosing by task, no more.

The scale is 0 to 100, in steps of 5: 50 gets simple cases right, 70 most everyday ones, 90 hard ones. Source: our own
judgement of November 2026 from what the providers' model pages say a model is for, and the guide's table of costs
("Fast", "Good", "Excellent"); no benchmark's figures, and no promise beyond the order of models within one task. One
that is not here has no known quality.
"""

TASKS = ("coding", "analysis", "creative", "general")

QUALITY: dict[str, tuple[int, int, int, int]] = {
    "gpt-4o": (80, 80, 80, 85),
    "gpt-4o-mini": (65, 65, 65, 70),
    "gpt-4.1-mini": (75, 70, 65, 75),
    "gpt-4-turbo": (75, 75, 75, 80),
    "gpt-4": (70, 75, 75, 75),
    "gpt-3.5-turbo": (50, 50, 55, 55),
    "claude-haiku-4-5": (85, 80, 75, 80),
    "claude-3-5-sonnet": (85, 85, 85, 85),
    "claude-3-sonnet": (70, 75, 75, 75),
    "claude-3-haiku": (55, 60, 60, 60),
    "gemini-2.5-flash": (75, 80, 70, 80),
    "gemini-1.5-pro": (70, 80, 70, 75),
    "gemini-1.5-flash": (55, 65, 55, 65),
    "gemini-pro": (45, 50, 50, 55),
    "gpt-oss-120b": (75, 75, 60, 75),
    "mistral-small": (65, 65, 65, 70),
    "llama-3.3-70b": (65, 65, 65, 70),
    "grok-4-fast": (75, 75, 70, 75),
}
"""By catalogue id; columns in the order of TASKS."""


def task_quality(model_id: str, task: str) -> int | None:
    """0 to 100, or None where it is not known; a task that is none of TASKS counts as general."""
    row = QUALITY.get(model_id)
    return None if row is None else row[TASKS.index(task) if task in TASKS else TASKS.index("general")]
