"""Forms of the provider and model pages: the checks of `core/configuration.py`, and prices as people read them.

A secret goes in and never comes out: its field is empty on every page, leaving it empty keeps the stored one. Prices
are shown and typed as USD per million tokens and kept as integer nano-dollars, exactly.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from billing.core.pricing import NANO, LongPrompt
from llm.core import configuration as check
from llm.models import Model, Provider, ProviderKey, Source

PRICES = {
    "input_usd": ("input_price", "Input, USD per million tokens"),
    "output_usd": ("output_price", "Output, USD per million tokens"),
    "cached_input_usd": ("cached_input_price", "Cached input, USD per million tokens"),
    "cache_write_usd": ("cache_write_price", "Cache write, USD per million tokens"),
    "cache_write_1h_usd": ("cache_write_1h_price", "Cache write for an hour, USD per million tokens"),
    "audio_input_usd": ("audio_input_price", "Sound heard, USD per million tokens"),
    "audio_output_usd": ("audio_output_price", "Sound spoken, USD per million tokens"),
}
"""Form field -> (column, label)."""
ONCE = {"request_usd": "request_price", "web_search_usd": "web_search_price"}
"""The same of what is paid by the piece; no price is 0."""


def checked(check_value: Callable[[str], str], value: str) -> str:
    """The value as the check returns it; its refusal as the form's."""
    try:
        return check_value(value)
    except check.BadInput as refusal:
        raise ValidationError(str(refusal), code=refusal.code) from None


class WordsField(forms.CharField):
    """A JSON list of words, written with commas."""

    def prepare_value(self, value: Any) -> str:
        return ", ".join(value) if isinstance(value, list) else value or ""

    def to_python(self, value: Any) -> Any:
        return list(dict.fromkeys(word.strip() for word in (value or "").split(",") if word.strip()))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(data) != (initial or []))


class ProviderForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Provider
        fields = (
            "name",
            "provider_type",
            "base_url",
            "auth",
            "dialect",
            "on_hang_up",
            "members",
            "api_version",
            "enabled",
        )

    def clean_name(self) -> str:
        name = checked(check.check_name, self.cleaned_data["name"])
        slug = self.instance.slug or check.slug_of(name)
        if Provider.objects.filter(slug=slug).exclude(pk=self.instance.pk).exists():
            raise ValidationError(f"There is a provider {slug!r} already.")
        self.instance.slug = slug
        return name

    def clean_base_url(self) -> str:
        url: str = self.cleaned_data["base_url"]
        return checked(check.check_base_url, url) if url else ""

    def clean_api_version(self) -> str:
        return checked(check.check_api_version, self.cleaned_data["api_version"])

    def clean_members(self) -> dict[str, str | None]:
        try:
            return check.check_members(self.cleaned_data["members"])
        except check.BadInput as refusal:
            raise ValidationError(str(refusal), code=refusal.code) from None


class ProviderKeyForm(forms.ModelForm):  # type: ignore[type-arg]
    secret = forms.CharField(
        required=False,
        strip=True,
        label="API key",
        help_text="Never shown again. Empty keeps the one that is stored.",
        widget=UnfoldAdminPasswordWidget(render_value=False, attrs={"autocomplete": "new-password"}),
    )

    class Meta:
        model = ProviderKey
        fields = ("label", "weight", "enabled")

    def clean_secret(self) -> str | None:
        given: str = self.cleaned_data["secret"]
        if not given:
            if not self.instance.sealed:
                raise ValidationError("A new key needs its secret.")
            return None
        if self.instance.pk and self.instance.source == Source.ENVIRONMENT:
            raise ValidationError("This key comes from the environment: change it there, or add another row.")
        return checked(check.check_secret, given)


def _price_field(label: str) -> forms.DecimalField:
    return forms.DecimalField(
        label=label,
        required=False,
        min_value=0,
        max_value=1_000_000,
        max_digits=16,
        decimal_places=9,
        widget=UnfoldAdminDecimalFieldWidget,
    )


class ModelForm(forms.ModelForm):  # type: ignore[type-arg]
    input_usd = _price_field(PRICES["input_usd"][1])
    output_usd = _price_field(PRICES["output_usd"][1])
    cached_input_usd = _price_field(PRICES["cached_input_usd"][1])
    cache_write_usd = _price_field(PRICES["cache_write_usd"][1])
    cache_write_1h_usd = _price_field(PRICES["cache_write_1h_usd"][1])
    audio_input_usd = _price_field(PRICES["audio_input_usd"][1])
    audio_output_usd = _price_field(PRICES["audio_output_usd"][1])
    request_usd = _price_field("Each call, USD")
    web_search_usd = _price_field("Each web search the provider makes, USD")
    long_prompts = forms.JSONField(
        label="Long prompts",
        required=False,
        widget=UnfoldAdminTextareaWidget,
        help_text='What all tokens cost when the prompt is longer, USD per million: [{"above": 200000, "input": 2.5, '
        '"output": 15, "cached_input": 0.25}].',
    )
    aliases = WordsField(required=False, widget=UnfoldAdminTextInputWidget, help_text="Other names, with commas.")
    capabilities = WordsField(required=False, widget=UnfoldAdminTextInputWidget, help_text="Words, with commas.")

    class Meta:
        model = Model
        fields = (
            "provider",
            "model_id",
            "name",
            "upstream",
            "aliases",
            "context_window",
            "max_output_tokens",
            "capabilities",
            "supports_streaming",
            "supports_function_calling",
            "rank",
            "enabled",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field, (column, _) in PRICES.items():
            self.initial[field] = usd_per_million(getattr(self.instance, column))
        for field, column in ONCE.items():
            self.initial[field] = usd_per_million(getattr(self.instance, column) or None)
        self.initial["long_prompts"] = _in_usd(self.instance.long_prompt_prices)

    def clean_model_id(self) -> str:
        return checked(check.check_model_id, self.cleaned_data["model_id"])

    def clean_aliases(self) -> list[str]:
        return [checked(check.check_model_id, alias) for alias in self.cleaned_data["aliases"]]

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        if (given.get("input_usd") is None) != (given.get("output_usd") is None):
            self.add_error("output_usd", "Give both prices, or neither: a model without prices is booked at 0.")
        window, longest = given.get("context_window"), given.get("max_output_tokens")
        if window and longest and longest > window:
            self.add_error("max_output_tokens", "An answer cannot be longer than the context window.")
        for field, (column, _) in PRICES.items():
            amount: Decimal | None = given.get(field)
            setattr(self.instance, column, None if amount is None else int(amount * NANO))
        for field, column in ONCE.items():
            setattr(self.instance, column, int((given.get(field) or 0) * NANO))
        if "long_prompts" in self.changed_data:
            self._take_long_prompts(given.get("long_prompts") or [])
        elif {"input_usd", "output_usd"} & set(self.changed_data):
            self.instance.long_prompt_prices = []  # they belong to the price that has just been replaced
        return given

    def _take_long_prompts(self, given: Any) -> None:
        try:
            self.instance.long_prompt_prices = _in_nano(given)
        except ValueError as problem:
            self.add_error("long_prompts", str(problem))

    @property
    def changed_columns(self) -> list[str]:
        """The columns a person changed, for `services.save_model`."""
        columns = [COLUMNS.get(name, name) for name in self.changed_data]
        if {"input_price", "output_price"} & set(columns) and "long_prompt_prices" not in columns:
            columns.append("long_prompt_prices")
        return columns


COLUMNS = {**{field: column for field, (column, _) in PRICES.items()}, **ONCE, "long_prompts": "long_prompt_prices"}


def _in_usd(prices: list[dict[str, int]]) -> list[dict[str, float]]:
    return [
        {name: amount if name == "above" else float(Decimal(amount) / NANO) for name, amount in one.items()}
        for one in prices
    ]


def _in_nano(given: Any) -> list[dict[str, int]]:
    """What was typed, as the column holds it. Raises ValueError."""
    try:
        prices = [
            {name: amount if name == "above" else int(Decimal(str(amount)) * NANO) for name, amount in one.items()}
            for one in given
        ]
        checked = msgspec.convert(prices, tuple[LongPrompt, ...])
    except (AttributeError, TypeError, ArithmeticError, msgspec.ValidationError) as problem:
        raise ValueError(f"A list of objects with above, input and output, please: {problem}") from None
    if any(one.above < 1 or min(one.input, one.output) < 0 for one in checked):
        raise ValueError("`above` is at least 1, and no price is negative.")
    return sorted(prices, key=lambda one: one["above"])


def usd_per_million(nano: int | None) -> Decimal | None:
    """A price as the admin shows it, without needless zeros."""
    if nano is None:
        return None
    amount = (Decimal(nano) / NANO).normalize()
    return amount if amount.as_tuple().exponent < 0 else amount.quantize(Decimal(1))  # type: ignore[operator]
