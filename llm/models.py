"""The tables of providers, keys, models and running gateways. Only `llm.services` writes them.

Every write to the first three is paired, in one transaction, with a higher number in ConfigurationVersion: that is how
a gateway's copy is known to be old. Rows remember in `edited` which fields a person has changed; what comes from the
built-in catalogue or the environment never overwrites those. Next file: `services/configuration.py`.
"""

from typing import Any

import msgspec
from django.db import models

from billing.core.pricing import LongPrompt, Price
from llm.core import vault


class Source(models.TextChoices):
    """Where a row came from."""

    CATALOGUE = "catalogue", "built-in catalogue"
    ENVIRONMENT = "environment", "environment"
    ADMIN = "admin", "admin"
    API = "api", "GraphQL"
    DISCOVERED = "discovered", "found running"


class Provider(models.Model):
    """Somewhere calls can be sent."""

    TYPES = [(word, word) for word in ("openai", "anthropic", "google", "ollama", "azure", "custom")]
    AUTH = [(word, word) for word in ("bearer", "native", "api-key", "x-api-key", "none")]
    DIALECTS = (
        ("openai", "OpenAI"),
        ("openai_chat", "OpenAI, chat only"),
        ("openai_responses", "OpenAI, responses only"),
        ("azure", "Azure OpenAI"),
        ("anthropic", "Anthropic messages"),
        ("google", "Gemini generateContent"),
        ("ollama", "Ollama chat"),
    )

    slug = models.SlugField(max_length=100, unique=True, help_text="Identity: in records and in `provider/model`.")
    name = models.CharField(max_length=100)
    provider_type = models.CharField("type", max_length=20, choices=TYPES)
    dialect = models.CharField(
        max_length=20,
        default="openai",
        choices=DIALECTS,
        help_text="Chat only: responses are translated to chat. Gemini at an address ending in /openai, and Ollama at "
        "one ending in /v1, speak OpenAI's.",
    )
    base_url = models.CharField(
        "base URL", max_length=500, blank=True, help_text="With the version path, e.g. https://api.openai.com/v1"
    )
    auth = models.CharField(
        "sends its key as",
        max_length=20,
        choices=AUTH,
        default="bearer",
        help_text="bearer: Authorization. native: the header of the dialect itself. Else the name of a header.",
    )
    on_hang_up = models.CharField(
        "when a client hangs up",
        max_length=10,
        choices=[("cancel", "cancel the call"), ("drain", "read the answer to its end")],
        default="cancel",
        help_text="Read on where the provider bills the whole answer anyway: then it is booked as reported.",
    )
    members = models.JSONField(
        "members of a request it takes otherwise",
        default=dict,
        blank=True,
        help_text='Their other name, or null where it refuses them, e.g. {"seed": "random_seed", "n": null}.',
    )
    api_version = models.CharField(
        "Azure's api-version",
        max_length=40,
        blank=True,
        help_text="Empty: 2024-10-21 where the address needs one, none where it ends in /v1.",
    )
    enabled = models.BooleanField(default=True)
    source = models.CharField(max_length=20, choices=Source.choices, default=Source.ADMIN, editable=False)
    edited = models.JSONField(default=list, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.name

    @property
    def configured(self) -> bool:
        """Whether a call could be sent: switched on, with an address and, where one is needed, a key."""
        keyed = self.auth == "none" or any(key.enabled for key in self.keys.all())
        return self.enabled and bool(self.base_url) and keyed


class ProviderKey(models.Model):
    """One credential. Only its sealed form is stored; `fingerprint` is all anyone is shown."""

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="keys")
    label = models.CharField(max_length=100, blank=True, help_text="For people, e.g. whose account it is.")
    sealed = models.TextField(editable=False)
    fingerprint = models.CharField(max_length=4, blank=True, editable=False)
    weight = models.PositiveSmallIntegerField(default=1, help_text="Its share among the provider's keys.")
    enabled = models.BooleanField(default=True)
    source = models.CharField(max_length=20, choices=Source.choices, default=Source.ADMIN, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return vault.masked(self.fingerprint)

    def __repr__(self) -> str:
        return f"<ProviderKey {self.pk} {vault.masked(self.fingerprint)}>"


class ProviderProbe(models.Model):
    """What asking a provider for its list of models gave last. No configuration: it raises no version.

    `next_at` is when it is asked again; whoever moves it on does the asking, so that several workers ask once.
    """

    provider = models.OneToOneField(Provider, on_delete=models.CASCADE, related_name="probe")
    next_at = models.DateTimeField(db_index=True)
    checked_at = models.DateTimeField(null=True)
    ok = models.BooleanField(default=False)
    problem = models.CharField(max_length=300, blank=True, help_text="Why not; nothing the provider said is in it.")
    latency_ms = models.FloatField(default=0)
    listed = models.PositiveIntegerField(default=0, help_text="Models it listed.")
    digest = models.CharField(max_length=64, blank=True, help_text="Of the list that was last taken in.")

    def __str__(self) -> str:
        return "never asked" if self.checked_at is None else "answers" if self.ok else self.problem


class Model(models.Model):
    """One model of one provider. Prices are nano-dollars per million tokens; no price means booked at 0, flagged."""

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="models")
    model_id = models.CharField("id", max_length=200, help_text="The name clients send.")
    name = models.CharField(max_length=200, blank=True)
    upstream = models.CharField(max_length=200, blank=True, help_text="The name sent to the provider; empty: the id.")
    aliases = models.JSONField(default=list, blank=True, help_text="Other names clients may send.")
    context_window = models.PositiveIntegerField(default=8192)
    max_output_tokens = models.PositiveIntegerField(null=True, blank=True)
    capabilities = models.JSONField(default=list, blank=True)
    supports_streaming = models.BooleanField(default=True)
    supports_function_calling = models.BooleanField(default=False)
    input_price = models.BigIntegerField(null=True, blank=True)
    output_price = models.BigIntegerField(null=True, blank=True)
    cached_input_price = models.BigIntegerField(null=True, blank=True)
    cache_write_price = models.BigIntegerField(null=True, blank=True)
    cache_write_1h_price = models.BigIntegerField(null=True, blank=True)
    audio_input_price = models.BigIntegerField(null=True, blank=True)
    audio_output_price = models.BigIntegerField(null=True, blank=True)
    long_prompt_prices = models.JSONField(
        default=list, blank=True, help_text="Prices of prompts longer than `above` tokens, as LongPrompt has them."
    )
    request_price = models.BigIntegerField(default=0, help_text="Nano-dollars added once per call.")
    web_search_price = models.BigIntegerField(default=0, help_text="Nano-dollars for each search the provider makes.")
    rank = models.PositiveIntegerField(default=100, help_text="Order of preference for `auto`, lowest first.")
    released = models.BigIntegerField(default=0, editable=False, help_text="Unix seconds.")
    enabled = models.BooleanField(default=True)
    available = models.BooleanField(default=True, editable=False, help_text="No: a local server no longer lists it.")
    source = models.CharField(max_length=20, choices=Source.choices, default=Source.ADMIN, editable=False)
    edited = models.JSONField(default=list, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["rank", "model_id"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "model_id"], name="llm_model_once_per_provider"),
            models.CheckConstraint(
                condition=models.Q(input_price__isnull=True, output_price__isnull=True)
                | models.Q(input_price__gte=0, output_price__gte=0),
                name="llm_model_both_prices_or_none",
            ),
        ]

    def __str__(self) -> str:
        return self.model_id

    @property
    def price(self) -> Price | None:
        """The prices as the gateway uses them; None when the model has none."""
        if self.input_price is None or self.output_price is None:
            return None
        return Price(
            input=self.input_price,
            output=self.output_price,
            cached_input=self.cached_input_price,
            cache_write=self.cache_write_price,
            cache_write_1h=self.cache_write_1h_price,
            audio_input=self.audio_input_price,
            audio_output=self.audio_output_price,
            per_request=self.request_price,
            web_search=self.web_search_price,
            long_prompts=msgspec.convert(self.long_prompt_prices, tuple[LongPrompt, ...]),
        )


class ConfigurationVersion(models.Model):
    """One row: the number of the configuration as it stands. It starts at the clock, so that a gateway which outlives
    its control plane's database still sees it grow."""

    number = models.BigIntegerField()


class GatewayState(models.Model):
    """What one gateway worker last said of itself. `marks` hold its counters one and two minutes back, at most: recent
    rates are differences to the older mark."""

    gateway = models.CharField(max_length=200, primary_key=True)
    pid = models.IntegerField(default=0)
    version = models.CharField(max_length=50, blank=True)
    snapshot_version = models.BigIntegerField(default=0)
    connected = models.BooleanField(default=False)
    started_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(db_index=True)
    requests = models.BigIntegerField(default=0)
    errors = models.BigIntegerField(default=0)
    in_flight = models.IntegerField(default=0)
    connections = models.IntegerField(default=0)
    latency_us_total = models.BigIntegerField(default=0)
    journal_lag = models.BigIntegerField(default=0)
    counters: Any = models.JSONField(default=dict)
    older_mark: Any = models.JSONField(default=dict)
    newer_mark: Any = models.JSONField(default=dict)

    class Meta:
        ordering = ["gateway"]

    def __str__(self) -> str:
        return self.gateway
