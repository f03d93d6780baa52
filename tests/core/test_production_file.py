"""`production.yaml`: the guide's own example, who wins over whom, and what is refused in one line without a key in it."""

from pathlib import Path

import pytest

from circuit_breaker.environment import SettingError
from circuit_breaker.production_file import apply_file

GUIDE = """
circuit_breaker:
  server:
    host: "0.0.0.0"
    port: 3000
    workers: 8

  routing:
    default_strategy: "balanced"
    enable_cost_optimization: true
    enable_smart_routing: true

  rate_limiting:
    requests_per_minute: 10000
    burst_allowance: 500

  monitoring:
    metrics_enabled: true
    health_check_interval: 30

  providers:
    openai:
      enabled: true
      api_keys: "${OPENAI_API_KEYS}"  # Comma-separated for load balancing
      rate_limit_rpm: 10000

    anthropic:
      enabled: true
      api_keys: "${ANTHROPIC_API_KEYS}"
      rate_limit_rpm: 5000

    google:
      enabled: true
      api_keys: "${GOOGLE_API_KEYS}"
      rate_limit_rpm: 15000

  budget:
    default_daily_limit: 100.0
    alert_thresholds: [50, 80, 95]
    auto_cutoff_enabled: true
"""


def applied(tmp_path: Path, text: str, **environ: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """The environment afterwards, and what is without effect."""
    path = tmp_path / "production.yaml"
    path.write_text(text)
    later = apply_file(path, environ)
    return environ, later


def providers(text: str) -> str:
    return f"circuit_breaker:\n  providers:\n    {text}\n"


def test_the_example_of_the_guide(tmp_path: Path) -> None:
    environ, later = applied(tmp_path, GUIDE, OPENAI_API_KEYS="sk-a,sk-b")
    assert environ == {
        "OPENAI_API_KEYS": "sk-a,sk-b",
        "GATEWAY_HOST": "0.0.0.0",
        "OPENAI_PORT": "3000",
        "OPENAI_WORKERS": "8",
        "RATE_LIMIT_PER_MINUTE": "10000",
        "BURST_ALLOWANCE": "500",
        "HEALTH_CHECK_SECONDS": "30",
    }
    assert len(later) == 9 and {"budget.default_daily_limit", "providers.openai.rate_limit_rpm"} <= set(later)


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    text = (
        "circuit_breaker:\n  server: {port: 3000}\n  providers: {google: {api_keys: [g-file], base_url: https://file}}"
    )
    environ, _ = applied(tmp_path, text, OPENAI_PORT="3100", GEMINI_API_KEY="g-environment")
    assert environ == {"OPENAI_PORT": "3100", "GEMINI_API_KEY": "g-environment", "GOOGLE_BASE_URL": "https://file"}


def test_azure_alone_has_a_version(tmp_path: Path) -> None:
    text = providers('azure: {api_key: k, base_url: "https://a/openai", api_version: 2024-10-21}')
    environ, _ = applied(tmp_path, text)
    assert environ["AZURE_API_VERSION"] == "2024-10-21"
    environ, _ = applied(tmp_path, text, AZURE_OPENAI_API_VERSION="2025-04-01-preview")
    assert "AZURE_API_VERSION" not in environ
    with pytest.raises(SettingError, match=r"providers\.openai\.api_version is not known"):
        applied(tmp_path, providers("openai: {api_version: v1}"))


def test_keys_are_one_several_or_a_list(tmp_path: Path) -> None:
    for given in ("{api_key: k1, api_keys: 'k2,k3'}", "{api_keys: [k1, '${TWO}', k3]}"):
        environ, _ = applied(tmp_path, providers(f"groq: {given}"), TWO="k2")
        assert environ["GROQ_API_KEYS"] == "k1,k2,k3"


def test_a_provider_that_is_not_enabled_has_no_key(tmp_path: Path) -> None:
    text = providers("openai: {enabled: false, api_keys: '${OPENAI_API_KEYS}'}")
    environ, _ = applied(tmp_path, text, OPENAI_API_KEYS="sk-a", OPENAI_API_KEY="sk-b")
    assert environ == {"OPENAI_API_KEYS": "", "OPENAI_API_KEY": ""}


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert applied(tmp_path, "", A="1") == ({"A": "1"}, ())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "must have `circuit_breaker:` at its top"),
        ("circuit_breaker: {a: 1}", "a must be a section"),
        ("circuit_breaker: {server: {prot: 1}}", "server.prot is not known: use budget."),
        ("circuit_breaker: {monitoring: {metrics_enabled: false}}", "cannot be switched off"),
        ("circuit_breaker: {server: {port: {a: 1}}}", "server.port must be a value"),
        (providers("opnai: {api_keys: sk-secret}"), "providers.opnai is not known: use openai"),
        (providers("openai: {api_kyes: sk-secret}"), "providers.openai.api_kyes is not known"),
        (providers("openai: {enabled: maybe}"), "neither true nor false"),
        (providers("ollama: {enabled: false}"), "switched off in the admin"),
        ("circuit_breaker:\n  - x: [sk-secret\n", "is not YAML (line"),
        ("a: &a [*a]", "at its top"),
    ],
)
def test_what_cannot_be_meant_is_one_line_without_a_key(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingError) as refusal:
        applied(tmp_path, text)
    line = str(refusal.value)
    assert line.startswith("production.yaml") and said in line
    assert "sk-secret" not in line and "\n" not in line


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"none.yaml cannot be read: No such file or directory\."):
        apply_file(tmp_path / "none.yaml", {})
