"""The built-in models: names, limits, abilities and list prices, as rows.

What belongs here: the models the product's guide names, priced so that its cost table comes out to the last printed
digit (a test compares them), and for each keyed provider at least one model that its API still serves. Every row says
where its figures come from. An administrator's edits and `configureLlmProvider` override rows; nobody edits this file
to change a price at run time. Not promised: that a list price is today's. Prices are USD per million tokens here and
integer nano-dollars everywhere else.
"""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from billing.core.pricing import NANO, Price

GUIDE = "the cost table of the product's guide"
OPENAI = "https://openai.com/api/pricing/ and https://platform.openai.com/docs/models"
ANTHROPIC = "https://docs.anthropic.com/en/docs/about-claude/models and its pricing page"
GOOGLE = "https://ai.google.dev/gemini-api/docs/pricing"
COLLECTED = "the provider's price page, as collected in genai-prices 0.2.3"

TEXT = ("text_generation",)
SEEING = ("text_generation", "vision", "multimodal")
EMBEDDING = ("embeddings",)


class ModelRow(msgspec.Struct, frozen=True):
    """One model of one known provider."""

    id: str
    provider: str
    title: str
    price: Price
    limits: tuple[int, int | None]
    """Tokens: the context window, and the most one answer may have; None for a model that embeds."""
    released: str
    """ISO date."""
    rank: int
    """Order of preference for `auto`, lowest first: cheap and still served before dear or retired."""
    source: str
    upstream: str = ""
    """The name sent to the provider; empty when it is the id."""
    aliases: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = SEEING
    function_calling: bool = True

    @property
    def upstream_name(self) -> str:
        return self.upstream or self.id

    @property
    def created(self) -> int:
        """Unix seconds of midnight UTC on the day of release."""
        return int(datetime.fromisoformat(self.released).replace(tzinfo=UTC).timestamp())


def _usd(input_price: str, output: str, cached: str | None = None, written: str | None = None) -> Price:
    """A price from USD per million tokens. No cached price: cached tokens cost what the guide's table says of input."""
    return Price(
        input=_nano(input_price),
        output=_nano(output),
        cached_input=None if cached is None else _nano(cached),
        cache_write=None if written is None else _nano(written),
    )


def _anthropic(input_price: str, output: str, cached: str, written: str) -> Price:
    """The same at Anthropic: what is cached for an hour costs twice the input, a thousand web searches ten dollars."""
    price = _usd(input_price, output, cached, written)
    return msgspec.structs.replace(price, cache_write_1h=2 * price.input, web_search=NANO * 10 // 1000)


def _nano(usd_per_million: str) -> int:
    return int(Decimal(usd_per_million) * NANO)


MODELS: tuple[ModelRow, ...] = (
    # --- OpenAI ------------------------------------------------------------------------------------------------------
    ModelRow(
        id="gpt-4o-mini",
        provider="openai",
        title="GPT-4o mini",
        price=_usd("0.15", "0.60", cached="0.075"),
        limits=(128_000, 16_384),
        released="2024-07-18",
        rank=10,
        source=OPENAI,
        aliases=("gpt-4o-mini-2024-07-18",),
    ),
    ModelRow(
        id="gpt-4o",
        provider="openai",
        title="GPT-4o",
        price=_usd("5", "15"),
        limits=(128_000, 16_384),
        released="2024-05-13",
        rank=40,
        source=f"{GUIDE}; {OPENAI}",
        aliases=("gpt-4o-2024-05-13",),
    ),
    ModelRow(
        id="gpt-4.1-mini",
        provider="openai",
        title="GPT-4.1 mini",
        price=_usd("0.40", "1.60", cached="0.10"),
        limits=(1_047_576, 32_768),
        released="2025-04-14",
        rank=20,
        source=OPENAI,
        aliases=("gpt-4.1-mini-2025-04-14",),
    ),
    ModelRow(
        id="gpt-3.5-turbo",
        provider="openai",
        title="GPT-3.5 Turbo",
        price=_usd("1", "2"),
        limits=(16_385, 4_096),
        released="2023-03-01",
        rank=60,
        source=f"{GUIDE} (the price of gpt-3.5-turbo-1106); {OPENAI}",
        aliases=("gpt-3.5-turbo-1106", "gpt-3.5-turbo-0125"),
        capabilities=TEXT,
    ),
    ModelRow(
        id="gpt-4-turbo",
        provider="openai",
        title="GPT-4 Turbo",
        price=_usd("10", "30"),
        limits=(128_000, 4_096),
        released="2024-04-09",
        rank=80,
        source=OPENAI,
        aliases=("gpt-4-turbo-2024-04-09", "gpt-4-turbo-preview"),
    ),
    ModelRow(
        id="gpt-4",
        provider="openai",
        title="GPT-4",
        price=_usd("30", "60"),
        limits=(8_192, 8_192),
        released="2023-03-14",
        rank=90,
        source=f"{GUIDE}; {OPENAI}",
        aliases=("gpt-4-0613",),
        capabilities=TEXT,
    ),
    # --- Anthropic ---------------------------------------------------------------------------------------------------
    ModelRow(
        id="claude-haiku-4-5",
        provider="anthropic",
        title="Claude Haiku 4.5",
        price=_anthropic("1", "5", cached="0.10", written="1.25"),
        limits=(200_000, 64_000),
        released="2025-10-01",
        rank=12,
        source=ANTHROPIC,
        aliases=("claude-haiku-4-5-20251001", "claude-haiku-4.5"),
    ),
    ModelRow(
        id="claude-3-haiku",
        provider="anthropic",
        title="Claude 3 Haiku",
        price=_anthropic("0.25", "1.25", cached="0.03", written="0.30"),
        limits=(200_000, 4_096),
        released="2024-03-07",
        rank=50,
        source=f"{GUIDE}; {ANTHROPIC}",
        upstream="claude-3-haiku-20240307",
        aliases=("claude-3-haiku-20240307", "claude-haiku"),
    ),
    ModelRow(
        id="claude-3-sonnet",
        provider="anthropic",
        title="Claude 3 Sonnet",
        price=_anthropic("3", "15", cached="0.30", written="3.75"),
        limits=(200_000, 4_096),
        released="2024-02-29",
        rank=74,
        source=ANTHROPIC,
        upstream="claude-3-sonnet-20240229",
        aliases=("claude-3-sonnet-20240229",),
    ),
    ModelRow(
        id="claude-3-5-sonnet",
        provider="anthropic",
        title="Claude 3.5 Sonnet",
        price=_anthropic("3", "15", cached="0.30", written="3.75"),
        limits=(200_000, 8_192),
        released="2024-10-22",
        rank=72,
        source=f"{GUIDE}; {ANTHROPIC}",
        upstream="claude-3-5-sonnet-20241022",
        aliases=(
            "claude-3.5-sonnet",
            "claude-3-5-sonnet-20241022",
            "claude-3-5-sonnet-20240620",
            "claude-3-5-sonnet-latest",
        ),
    ),
    # --- Google ------------------------------------------------------------------------------------------------------
    ModelRow(
        id="gemini-2.5-flash",
        provider="google",
        title="Gemini 2.5 Flash",
        price=_usd("0.30", "2.50", cached="0.03"),
        limits=(1_048_576, 65_536),
        released="2025-06-17",
        rank=11,
        source=GOOGLE,
    ),
    ModelRow(
        id="gemini-1.5-flash",
        provider="google",
        title="Gemini 1.5 Flash",
        price=_usd("0.075", "0.30"),
        limits=(1_000_000, 8_192),
        released="2024-05-24",
        rank=51,
        source=f"{GUIDE}; {GOOGLE}",
        aliases=("gemini-flash", "gemini-1.5-flash-latest", "gemini-1.5-flash-002"),
    ),
    ModelRow(
        id="gemini-1.5-pro",
        provider="google",
        title="Gemini 1.5 Pro",
        price=_usd("3.50", "10.50"),
        limits=(2_000_000, 8_192),
        released="2024-05-24",
        rank=73,
        source=f"{GUIDE} (the price before October 2024); {GOOGLE}",
        aliases=("gemini-1.5-pro-latest", "gemini-1.5-pro-002"),
    ),
    ModelRow(
        id="gemini-pro",
        provider="google",
        title="Gemini Pro",
        price=_usd("0.50", "1.50"),
        limits=(32_768, 8_192),
        released="2023-12-13",
        rank=61,
        source=f"{GUIDE}; {GOOGLE}",
        aliases=("gemini-1.0-pro",),
        capabilities=TEXT,
    ),
    # --- one each for the providers that need nothing but a key ------------------------------------------------------
    ModelRow(
        id="gpt-oss-120b",
        provider="groq",
        title="GPT-OSS 120B on Groq",
        price=_usd("0.15", "0.60", cached="0.075"),
        limits=(131_072, 65_536),
        released="2025-08-05",
        rank=30,
        source=COLLECTED,
        upstream="openai/gpt-oss-120b",
        capabilities=TEXT,
    ),
    ModelRow(
        id="mistral-small",
        provider="mistral",
        title="Mistral Small",
        price=_usd("0.15", "0.60", cached="0.015"),
        limits=(262_144, 32_768),
        released="2026-03-16",
        rank=31,
        source=COLLECTED,
        upstream="mistral-small-latest",
        aliases=("mistral-small-latest", "mistral-small-2603"),
    ),
    ModelRow(
        id="llama-3.3-70b",
        provider="together",
        title="Llama 3.3 70B on Together",
        price=_usd("0.88", "0.88"),
        limits=(131_072, 16_384),
        released="2024-12-06",
        rank=32,
        source=COLLECTED,
        upstream="meta-llama/Llama-3.3-70B-Instruct-Turbo",
        capabilities=TEXT,
    ),
    ModelRow(
        id="grok-4-fast",
        provider="xai",
        title="Grok 4 Fast",
        price=_usd("0.20", "0.50", cached="0.05"),
        limits=(2_000_000, 30_000),
        released="2025-09-19",
        rank=33,
        source=COLLECTED,
        upstream="grok-4-fast-non-reasoning",
    ),
    # --- embeddings --------------------------------------------------------------------------------------------------
    *(
        ModelRow(
            id=name,
            provider=provider,
            title=title,
            price=_usd(price, "0"),
            limits=(window, None),
            released=released,
            rank=rank,
            source=source,
            capabilities=EMBEDDING,
            function_calling=False,
        )
        for name, provider, title, price, window, released, rank, source in (
            ("text-embedding-3-small", "openai", "Embedding 3 small", "0.02", 8_191, "2024-01-25", 100, OPENAI),
            ("text-embedding-3-large", "openai", "Embedding 3 large", "0.13", 8_191, "2024-01-25", 101, OPENAI),
            ("text-embedding-ada-002", "openai", "Embedding Ada 002", "0.10", 8_191, "2022-12-15", 102, OPENAI),
            ("gemini-embedding-001", "google", "Gemini Embedding", "0.15", 2_048, "2025-07-14", 103, GOOGLE),
        )
    ),
)


def models_of(provider: str) -> tuple[ModelRow, ...]:
    """The rows of one known provider."""
    return tuple(row for row in MODELS if row.provider == provider)
