"""What a call costs: tokens by bucket times a price, in integer nano-dollars.

Pure arithmetic on values; nothing here reads a clock, a table or a setting. Prices are integer nano-dollars per
million tokens, so that the cheapest listed price (fractions of a micro-dollar) is still exact. A bucket without a
price of its own is charged as `cost_nano` says. Next file: `usage.py`, the record a finished call leaves behind.
"""

from decimal import Decimal

import msgspec

NANO = 1_000_000_000
MILLION = 1_000_000


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tokens one call used, in disjoint buckets: each token is counted in exactly one of them."""

    input: int = 0
    """Prompt tokens read at the full price."""
    cached_input: int = 0
    """Prompt tokens the provider read from its cache."""
    cache_write: int = 0
    """Prompt tokens the provider wrote to its cache, for as long as it keeps them by itself."""
    output: int = 0
    """Tokens of the visible answer."""
    reasoning: int = 0
    """Tokens of hidden thinking."""
    audio_input: int = 0
    """Prompt tokens that were sound."""
    audio_output: int = 0
    """Tokens of the answer that were sound."""
    cache_write_1h: int = 0
    """Prompt tokens the provider wrote to its cache to be kept for an hour: Anthropic's."""
    web_searches: int = 0
    """Searches the provider made for the answer, where it bills each of them. No tokens."""

    @property
    def prompt_total(self) -> int:
        return self.input + self.cached_input + self.cache_write + self.cache_write_1h + self.audio_input

    @property
    def completion_total(self) -> int:
        return self.output + self.reasoning + self.audio_output


class LongPrompt(msgspec.Struct, frozen=True, omit_defaults=True):
    """What all tokens of a call cost when its prompt is longer than `above` tokens. Buckets as in `Price`."""

    above: int
    input: int
    output: int
    cached_input: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None
    audio_input: int | None = None
    audio_output: int | None = None
    cache_write_1h: int | None = None


class Price(msgspec.Struct, frozen=True, omit_defaults=True):
    """Nano-dollars per million tokens, by bucket; `None` means "no price of its own" (see `cost_nano`)."""

    input: int
    output: int
    cached_input: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None
    audio_input: int | None = None
    audio_output: int | None = None
    per_request: int = 0
    """Nano-dollars added once per call."""
    long_prompts: tuple[LongPrompt, ...] = ()
    """Prices that rise with the length of the prompt, by `above` from the least on."""
    cache_write_1h: int | None = None
    web_search: int = 0
    """Nano-dollars for each search."""


def cost_nano(usage: Usage, price: Price) -> int:
    """Cost of `usage` in nano-dollars, rounded half up once at the end.

    Cached reads, cache writes and sound without a price of their own cost as much as plain input, reasoning and spoken
    output as much as output. For cache reads and thinking that is never less than the provider bills. Cache writes for
    an hour cost twice the input then, as at Anthropic, which alone reports them
    (https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching).
    A prompt longer than one of `long_prompts` says costs, with its answer, what the longest of them says: providers
    bill all tokens of such a call so, not those beyond. Source: https://ai.google.dev/gemini-api/docs/pricing
    """
    rates: Price | LongPrompt = price
    if price.long_prompts:
        for longer in price.long_prompts:
            if usage.prompt_total > longer.above:
                rates = longer
    cost = (_scaled(usage, rates) + MILLION // 2) // MILLION + price.per_request
    return cost + usage.web_searches * price.web_search if usage.web_searches else cost


def _scaled(usage: Usage, price: Price | LongPrompt) -> int:
    """In nano-dollars times a million."""
    cached = price.input if price.cached_input is None else price.cached_input
    written = price.input if price.cache_write is None else price.cache_write
    reasoning = price.output if price.reasoning is None else price.reasoning
    scaled = (
        usage.input * price.input
        + usage.cached_input * cached
        + usage.cache_write * written
        + usage.output * price.output
        + usage.reasoning * reasoning
    )
    if usage.audio_input or usage.audio_output:
        heard = price.input if price.audio_input is None else price.audio_input
        spoken = price.output if price.audio_output is None else price.audio_output
        scaled += usage.audio_input * heard + usage.audio_output * spoken
    if usage.cache_write_1h:
        scaled += usage.cache_write_1h * (2 * price.input if price.cache_write_1h is None else price.cache_write_1h)
    return scaled


def per_token_usd(nano_per_million: int) -> Decimal:
    """A price as the API shows it: USD per single token."""
    return Decimal(nano_per_million) / (NANO * MILLION)


def nano_per_million(usd_per_token: Decimal) -> int:
    """The inverse of `per_token_usd`.

    Raises ValueError for a negative or non-finite price, or one finer than a nano-dollar per million tokens.
    """
    if not usd_per_token.is_finite() or usd_per_token < 0:
        raise ValueError(f"A price must be a number of USD per token, zero or more; got {usd_per_token}.")
    scaled = usd_per_token * NANO * MILLION
    if scaled != scaled.to_integral_value():
        raise ValueError(f"The price {usd_per_token} USD per token is finer than 1e-15 USD; round it.")
    return int(scaled)


def usd(nano: int) -> Decimal:
    """Nano-dollars as USD, exact."""
    return Decimal(nano) / NANO
