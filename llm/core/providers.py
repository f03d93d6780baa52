"""The providers we know, as rows: where they are, how they take a key, and which members of a request they refuse.

A provider belongs here when it differs from the others only in data. One whose wire differs gets a dialect in
`dialects/` and names it in its row. Nothing here is read at call time: `services.seed_catalogue` copies the rows into
tables, where an administrator may change them. Figures are those of each provider's own page, named in `source`.
`provider_row.py` is what a row says. Next files: `provider_environment.py`, keys and addresses from outside;
`catalogue.py`, the models.
"""

from urllib.parse import urlsplit

from llm.core.provider_row import ProviderRow

SANDBOX = "sandbox"
"""Name and type of the built-in stand-in. It is no row: the snapshot adds it when nothing real is configured."""

PROVIDER_TYPES = ("openai", "anthropic", "google", "ollama", "azure", "custom")
"""What `providerType` may be. A provider of our rows that is none of the first five counts as custom."""


LIMIT: dict[str, str | None] = {"max_completion_tokens": "max_tokens"}
"""For those that know the limit on an answer only by its older name."""

OF_OTHERS = ("top_k", "cache_control", "reasoning_content", "reasoning_details", "extra_content")
"""What other servers added to OpenAI's chat: OpenAI itself answers 400 for a member it does not know."""

CHAT_ONLY = "openai_chat"
"""OpenAI's wire without responses: those are translated to chat. Also for those that have them for some models only,
and for unknown servers: all know chat, and who needs a server's own responses chooses the dialect `openai`."""

PROVIDERS: tuple[ProviderRow, ...] = (
    ProviderRow(
        name="openai",
        title="OpenAI",
        provider_type="openai",
        base_url="https://api.openai.com/v1",
        prefixes=("OPENAI",),
        leaves_out=OF_OTHERS,
        source="https://platform.openai.com/docs/api-reference",
    ),
    ProviderRow(
        name="anthropic",
        title="Anthropic",
        provider_type="anthropic",
        base_url="https://api.anthropic.com/v1",
        auth="native",
        dialect="anthropic",
        prefixes=("ANTHROPIC",),
        source="https://docs.anthropic.com/en/api/messages",
    ),
    ProviderRow(
        name="google",
        title="Google Gemini",
        provider_type="google",
        base_url="https://generativelanguage.googleapis.com/v1beta",
        version_path="/v1beta",
        auth="native",
        dialect="google",
        prefixes=("GOOGLE", "GEMINI"),
        source="https://ai.google.dev/api/generate-content",
    ),
    ProviderRow(
        name="ollama",
        title="Ollama",
        provider_type="ollama",
        base_url="http://127.0.0.1:11434",
        version_path="",
        auth="none",
        dialect="ollama",
        prefixes=("OLLAMA",),
        local=True,
        members={**LIMIT, "n": None},
        source="https://github.com/ollama/ollama/blob/main/docs/api.md",
    ),
    ProviderRow(
        name="azure",
        title="Azure OpenAI",
        provider_type="azure",
        base_url="",
        version_path="/openai/v1",
        auth="api-key",
        dialect="azure",
        prefixes=("AZURE", "AZURE_OPENAI"),
        leaves_out=OF_OTHERS,
        source="https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle (the v1 path)",
    ),
    ProviderRow(
        name="groq",
        title="Groq",
        provider_type="custom",
        base_url="https://api.groq.com/openai/v1",
        version_path="/openai/v1",
        prefixes=("GROQ",),
        members={"logprobs": None, "top_logprobs": None, "logit_bias": None, "n": None},
        source="https://console.groq.com/docs/openai",
    ),
    ProviderRow(
        name="mistral",
        title="Mistral",
        provider_type="custom",
        base_url="https://api.mistral.ai/v1",
        dialect=CHAT_ONLY,
        prefixes=("MISTRAL",),
        members={
            **LIMIT,
            "seed": "random_seed",
            **dict.fromkeys(("stream_options", "user", "logprobs", "top_logprobs", "logit_bias", "store", "metadata")),
        },
        source="https://docs.mistral.ai/api/",
    ),
    ProviderRow(
        name="deepseek",
        title="DeepSeek",
        provider_type="custom",
        base_url="https://api.deepseek.com/v1",
        dialect=CHAT_ONLY,
        prefixes=("DEEPSEEK",),
        members={**LIMIT, "n": None},
        source="https://api-docs.deepseek.com/",
    ),
    ProviderRow(
        name="together",
        title="Together",
        provider_type="custom",
        base_url="https://api.together.xyz/v1",
        dialect=CHAT_ONLY,
        prefixes=("TOGETHER",),
        members=LIMIT,
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
        prices="x-ai",
        source="https://docs.x.ai/docs/api-reference",
    ),
    ProviderRow(
        name="fireworks",
        title="Fireworks",
        provider_type="custom",
        base_url="https://api.fireworks.ai/inference/v1",
        version_path="/inference/v1",
        prefixes=("FIREWORKS",),
        members=LIMIT,
        source="https://docs.fireworks.ai/tools-sdks/openai-compatibility",
    ),
    ProviderRow(
        name="perplexity",
        title="Perplexity",
        provider_type="custom",
        base_url="https://api.perplexity.ai",
        dialect=CHAT_ONLY,
        version_path="",
        prefixes=("PERPLEXITY",),
        members={**LIMIT, "n": None},
        source="https://docs.perplexity.ai/guides/chat-completions-guide",
    ),
    ProviderRow(
        name="cerebras",
        title="Cerebras",
        provider_type="custom",
        base_url="https://api.cerebras.ai/v1",
        dialect=CHAT_ONLY,
        prefixes=("CEREBRAS",),
        members=dict.fromkeys(
            ("frequency_penalty", "presence_penalty", "logit_bias", "parallel_tool_calls", "service_tier", "n")
        ),
        source="https://inference-docs.cerebras.ai/resources/openai",
    ),
    ProviderRow(
        name="nvidia",
        title="NVIDIA NIM",
        provider_type="custom",
        base_url="https://integrate.api.nvidia.com/v1",
        dialect=CHAT_ONLY,
        prefixes=("NVIDIA", "NVIDIA_NIM"),
        members=LIMIT,
        source="https://docs.nvidia.com/nim/large-language-models/latest/reference/api-reference.html",
    ),
    ProviderRow(
        name="cohere",
        title="Cohere",
        provider_type="custom",
        base_url="https://api.cohere.ai/compatibility/v1",
        dialect=CHAT_ONLY,
        version_path="/compatibility/v1",
        prefixes=("COHERE",),
        members={
            **LIMIT,
            **dict.fromkeys(("n", "logit_bias", "top_logprobs", "parallel_tool_calls", "store", "metadata")),
        },
        source="https://docs.cohere.com/docs/compatibility-api",
    ),
    ProviderRow(
        name="huggingface",
        title="Hugging Face router",
        provider_type="custom",
        base_url="https://router.huggingface.co/v1",
        prefixes=("HUGGINGFACE", "HF"),
        source="https://huggingface.co/docs/inference-providers/index",
    ),
    *(
        ProviderRow(
            name=name,
            title=title,
            provider_type="custom",
            base_url="",
            prefixes=(prefix,),
            local=True,
            members=LIMIT,
            source=source,
        )
        for name, title, prefix, source in (
            ("vllm", "vLLM", "VLLM", "https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html"),
            ("lmstudio", "LM Studio", "LMSTUDIO", "https://lmstudio.ai/docs/app/api/endpoints/openai"),
            ("llamacpp", "llama.cpp", "LLAMACPP", "https://github.com/ggml-org/llama.cpp/tree/master/tools/server"),
        )
    ),
    ProviderRow(
        name="custom",
        title="Custom",
        provider_type="custom",
        base_url="",
        dialect=CHAT_ONLY,
        prefixes=("CUSTOM",),
        source="any other OpenAI-compatible endpoint",
    ),
)


def provider_row(name: str) -> ProviderRow | None:
    """The row of that name, if we know one."""
    return next((row for row in PROVIDERS if row.name == name), None)


def provider_defaults(provider_type: str) -> ProviderRow:
    """The row a new provider of that type starts from; an unknown type starts as `custom`."""
    return provider_row(provider_type) or PROVIDERS[-1]


def complete_base_url(row: ProviderRow, url: str) -> str:
    """`url` without a slash at its end, and with the row's version path when it has no path at all."""
    url = url.strip().rstrip("/")
    try:
        bare = bool(url) and not urlsplit(url).path
    except ValueError:  # not a URL: left as it is, for the check that can name the variable
        bare = False
    return url + row.version_path if bare else url


def wire_of(dialect: str, base_url: str) -> str:
    """The dialect spoken at an address: Gemini and Ollama offer OpenAI's wire, too, at addresses that end in `/openai`
    and `/v1`. Who has configured one of those goes on speaking it. Azure has responses at its v1 path only."""
    url = base_url.rstrip("/")
    if dialect == "google" and url.endswith("/openai"):
        return CHAT_ONLY  # it has no responses. Source: https://ai.google.dev/gemini-api/docs/openai
    if dialect == "ollama" and url.endswith("/v1"):
        return "openai"
    if dialect == "azure" and not url.endswith("/v1"):
        return "azure_chat"
    return dialect
