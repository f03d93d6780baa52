"""The providers we know, as rows: their OpenAI-compatible endpoint and the names of their environment variables.

A provider belongs here when it differs from the others only in data: base URL (with its version path), how the key is
sent, the environment names. One whose wire differs gets a dialect in `dialects/` and names it in its row. Nothing here
is read at call time: `services.seed_catalogue` copies the rows into tables, where an administrator may change them.
Base URLs are those of each provider's own documentation page, named in `source`. Next file: `catalogue.py`, the models.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

SANDBOX = "sandbox"
"""Name and type of the built-in stand-in. It is no row: the snapshot adds it when nothing real is configured."""

PROVIDER_TYPES = ("openai", "anthropic", "google", "ollama", "azure", "custom")
"""What `providerType` may be. A provider of our rows that is none of the first five counts as custom."""


class ProviderRow(msgspec.Struct, frozen=True):
    """One known provider."""

    name: str
    """Its slug: in `provider/model`, in records, in the snapshot."""
    title: str
    provider_type: str
    base_url: str
    """With the version path, without a slash at the end; empty where every customer has their own."""
    prefixes: tuple[str, ...]
    """Environment names start with these: `<prefix>_API_KEY`, `<prefix>_API_KEYS`, `<prefix>_BASE_URL`."""
    source: str
    version_path: str = "/v1"
    """Added to a base URL given without any path, as in `ANTHROPIC_BASE_URL=https://api.anthropic.com`."""
    auth: str = "bearer"
    dialect: str = "openai"


PROVIDERS: tuple[ProviderRow, ...] = (
    ProviderRow(
        name="openai",
        title="OpenAI",
        provider_type="openai",
        base_url="https://api.openai.com/v1",
        prefixes=("OPENAI",),
        source="https://platform.openai.com/docs/api-reference",
    ),
    ProviderRow(
        name="anthropic",
        title="Anthropic",
        provider_type="anthropic",
        base_url="https://api.anthropic.com/v1",
        prefixes=("ANTHROPIC",),
        source="https://docs.anthropic.com/en/api/openai-sdk (its OpenAI-compatible endpoint, bearer key)",
    ),
    ProviderRow(
        name="google",
        title="Google Gemini",
        provider_type="google",
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        version_path="/v1beta/openai",
        prefixes=("GOOGLE", "GEMINI"),
        source="https://ai.google.dev/gemini-api/docs/openai",
    ),
    ProviderRow(
        name="ollama",
        title="Ollama",
        provider_type="ollama",
        base_url="http://127.0.0.1:11434/v1",
        auth="none",
        prefixes=("OLLAMA",),
        source="https://docs.ollama.com/api/openai-compatibility",
    ),
    ProviderRow(
        name="azure",
        title="Azure OpenAI",
        provider_type="azure",
        base_url="",
        version_path="/openai/v1",
        auth="api-key",
        prefixes=("AZURE", "AZURE_OPENAI"),
        source="https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle (the v1 path)",
    ),
    ProviderRow(
        name="groq",
        title="Groq",
        provider_type="custom",
        base_url="https://api.groq.com/openai/v1",
        version_path="/openai/v1",
        prefixes=("GROQ",),
        source="https://console.groq.com/docs/openai",
    ),
    ProviderRow(
        name="mistral",
        title="Mistral",
        provider_type="custom",
        base_url="https://api.mistral.ai/v1",
        prefixes=("MISTRAL",),
        source="https://docs.mistral.ai/api/",
    ),
    ProviderRow(
        name="deepseek",
        title="DeepSeek",
        provider_type="custom",
        base_url="https://api.deepseek.com/v1",
        prefixes=("DEEPSEEK",),
        source="https://api-docs.deepseek.com/",
    ),
    ProviderRow(
        name="together",
        title="Together",
        provider_type="custom",
        base_url="https://api.together.xyz/v1",
        prefixes=("TOGETHER",),
        source="https://docs.together.ai/docs/openai-api-compatibility",
    ),
    ProviderRow(
        name="openrouter",
        title="OpenRouter",
        provider_type="custom",
        base_url="https://openrouter.ai/api/v1",
        version_path="/api/v1",
        prefixes=("OPENROUTER",),
        source="https://openrouter.ai/docs/api-reference/overview",
    ),
    ProviderRow(
        name="xai",
        title="xAI",
        provider_type="custom",
        base_url="https://api.x.ai/v1",
        prefixes=("XAI",),
        source="https://docs.x.ai/docs/api-reference",
    ),
    ProviderRow(
        name="custom",
        title="Custom",
        provider_type="custom",
        base_url="",
        prefixes=("CUSTOM",),
        source="any OpenAI-compatible endpoint: vLLM, LM Studio, llama.cpp, ...",
    ),
)


class EnvironmentSettings(msgspec.Struct, frozen=True):
    """What the environment says of one provider. Its repr hides the keys."""

    keys: tuple[str, ...]
    """Each once, in the order given."""
    base_url: str
    """Empty when the environment names none."""

    def __repr__(self) -> str:
        return f"EnvironmentSettings(keys=<{len(self.keys)}>, base_url={self.base_url!r})"


def provider_row(name: str) -> ProviderRow | None:
    """The row of that name, if we know one."""
    return next((row for row in PROVIDERS if row.name == name), None)


def provider_defaults(provider_type: str) -> ProviderRow:
    """The row a new provider of that type starts from; an unknown type starts as `custom`."""
    return provider_row(provider_type) or PROVIDERS[-1]


def read_environment(row: ProviderRow, environ: Mapping[str, str]) -> EnvironmentSettings:
    """Keys from `<prefix>_API_KEY` and the comma-separated `<prefix>_API_KEYS`, base URL from `<prefix>_BASE_URL`."""
    keys: dict[str, None] = {}
    base_url = ""
    for prefix in row.prefixes:
        given = environ.get(f"{prefix}_API_KEY", "") + "," + environ.get(f"{prefix}_API_KEYS", "")
        keys.update(dict.fromkeys(key.strip() for key in given.split(",") if key.strip()))
        base_url = base_url or environ.get(f"{prefix}_BASE_URL", "").strip()
    if row.auth == "none":
        keys = {}
    return EnvironmentSettings(tuple(keys), complete_base_url(row, base_url) if base_url else "")


def complete_base_url(row: ProviderRow, url: str) -> str:
    """`url` without a slash at its end, and with the row's version path when it has no path at all."""
    url = url.strip().rstrip("/")
    try:
        bare = bool(url) and not urlsplit(url).path
    except ValueError:  # not a URL: left as it is, for the check that can name the variable
        bare = False
    return url + row.version_path if bare else url
