"""Every text model of the catalogue has its qualities, on the stated scale; others have none."""

from llm.core.catalogue import EMBEDDING, MODELS
from llm.core.task_quality import QUALITY, TASKS, task_quality


def test_each_text_model_of_the_catalogue_is_rated_for_every_task_on_the_scale() -> None:
    assert set(QUALITY) == {row.id for row in MODELS if row.capabilities != EMBEDDING}
    for name in QUALITY:
        rated = [task_quality(name, task) for task in TASKS]
        assert all(value is not None and 0 <= value <= 100 and value % 5 == 0 for value in rated), name


def test_an_unknown_task_is_a_general_one_and_an_unknown_model_has_no_quality() -> None:
    assert task_quality("gpt-4", "gardening") == task_quality("gpt-4", "general") == 75
    assert task_quality("nobodys-model", "coding") is None
