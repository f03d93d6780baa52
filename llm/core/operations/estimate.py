"""How many tokens an answer or a request had where nobody says: four bytes of text to a token, rounded up.

Counted of an answer are all texts, reasoning, tool names and arguments, and not the JSON they are wrapped in. For
English text four bytes are close to a token of today's tokenizers; other scripts and code take more than this says.
"""

from collections.abc import Iterable

BYTES_PER_TOKEN = 4
NOT_WRITTEN = frozenset(
    {
        *("id", "call_id", "item_id", "type", "role", "status", "object", "finish_reason", "native_finish_reason"),
        *(
            "logprobs",
            "annotations",
            "encrypted_content",
            "signature",
            "content_filter_results",
            "extra_content",
            "result",
        ),
        *("finishReason", "thoughtSignature", "safetyRatings", "logprobsResult", "citationMetadata"),
        *("groundingMetadata", "urlContextMetadata"),
    }
)
"""Members that hold text which is not the model's."""


def tokens_in(size: int) -> int:
    """Of so many bytes, or letters where only those are known: rounded up."""
    return (size + BYTES_PER_TOKEN - 1) // BYTES_PER_TOKEN


def tokens_written(parts: Iterable[object]) -> int:
    """Of the choices or output items of an answer, decoded."""
    return tokens_in(sum(map(_bytes_written, parts)))


def _bytes_written(part: object) -> int:
    if isinstance(part, str):
        return len(part.encode(errors="replace"))
    if isinstance(part, dict):
        return sum(_bytes_written(value) for name, value in part.items() if name not in NOT_WRITTEN)
    return sum(map(_bytes_written, part)) if isinstance(part, list) else 0
