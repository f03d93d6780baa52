"""Azure OpenAI: OpenAI's wire at Azure's two kinds of address, with content filter results.

`/openai/deployments/{name}/...?api-version=` takes the model from the path; `/openai/v1/...` takes it from the body.
`filtering.py` adds what Azure adds. Source: https://learn.microsoft.com/azure/ai-foundry/openai/reference
"""

from dataclasses import replace

from llm.sandbox import openai
from llm.sandbox.azure.filtering import deployed, filtered
from llm.sandbox.errors import Refusal
from llm.sandbox.wire import Asked, Operation

__all__ = ["OPERATIONS", "WIRE", "find", "listing"]

WIRE = openai.WIRE
_CHAT = "/chat/completions"
_BY_END: dict[str, Operation] = {
    path.removeprefix("/v1"): filtered(operation) if path.endswith(_CHAT) else operation
    for path, operation in openai.OPERATIONS.items()
}
OPERATIONS: dict[str, Operation] = {f"/openai/v1{end}": operation for end, operation in _BY_END.items()}
_DEPLOYED: dict[str, Operation] = {
    end: deployed(operation) for end, operation in _BY_END.items() if end != "/responses"
}


def find(path: str) -> Operation | None:
    """The operation of `/openai/deployments/{name}/...`."""
    _, slash, end = path.removeprefix("/openai/deployments/").partition("/")
    return _DEPLOYED.get(slash + end)


def listing(asked: Asked, provider: str) -> bytes:
    """The models, where `/openai/v1` and `/openai` list them. Refusal 404 for all else."""
    short = asked.path.removeprefix("/openai").removeprefix("/v1")
    if not short.startswith("/models"):
        raise Refusal(404, "Resource not found", code="404")
    return openai.listing(replace(asked, path=f"/v1{short}"), provider)
