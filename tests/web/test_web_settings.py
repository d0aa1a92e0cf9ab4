import pytest

from syneudp.kernel.settings import SettingsInvalidError, load_settings
from syneudp.web.settings import WebSettings

GOOD = {
    "SYNEUDP_PUBLIC_URL": "https://console.example.com",
    "SYNEUDP_PAYMENTS": "stripe",
    "STRIPE_SECRET_KEY": "sk_live_0123456789abcdef",
    "STRIPE_WEBHOOK_SECRET": "whsec_0123456789abcdef",
}


def load(monkeypatch: pytest.MonkeyPatch, **variables: str) -> WebSettings:
    for name in ("BIND", "PUBLIC_URL", "PAYMENTS", "ENVIRONMENT", "TRUSTED_PROXIES"):
        monkeypatch.delenv(f"SYNEUDP_{name}", raising=False)
    for name, told in {**GOOD, **variables}.items():
        monkeypatch.setenv(name, told)
    return load_settings(WebSettings)


def test_the_public_url_is_an_exact_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, SYNEUDP_PUBLIC_URL="https://Console.Example.com/")
    assert settings.public_url == "https://console.example.com"
    assert settings.https


@pytest.mark.parametrize(
    "url",
    [
        "console.example.com",
        "ftp://x",
        "https://",
        "https://u@x",
        "https://x/y",
        "https://x?y",
        "https://x#y",
        "http://console.example.com",
        "http://10.0.0.1:8000",
    ],
)
def test_a_public_url_that_is_no_origin_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    with pytest.raises(SettingsInvalidError, match="SYNEUDP_PUBLIC_URL"):
        load(monkeypatch, SYNEUDP_PUBLIC_URL=url)


@pytest.mark.parametrize("url", ["http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]:8000"])
def test_plain_http_is_for_this_machine_alone(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    assert not load(monkeypatch, SYNEUDP_PUBLIC_URL=url).https


@pytest.mark.parametrize("bind", ["0.0.0.0:9", "8.8.8.8:9", "9", "localhost"])
def test_metrics_are_told_on_internal_addresses_alone(monkeypatch: pytest.MonkeyPatch, bind: str) -> None:
    with pytest.raises(SettingsInvalidError, match="SYNEUDP_METRICS_BIND"):
        load(monkeypatch, SYNEUDP_METRICS_BIND=bind)


def test_sandbox_money_stays_local(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsInvalidError, match="local alone"):
        load(monkeypatch, SYNEUDP_PAYMENTS="sandbox")
    with pytest.raises(SettingsInvalidError, match="internal"):
        load(monkeypatch, SYNEUDP_PAYMENTS="sandbox", SYNEUDP_ENVIRONMENT="local", SYNEUDP_BIND="0.0.0.0:8000")
    settings = load(monkeypatch, SYNEUDP_PAYMENTS="sandbox", SYNEUDP_ENVIRONMENT="local")
    assert settings.payments == "sandbox"


def test_every_fault_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsInvalidError) as refusal:
        load(
            monkeypatch,
            SYNEUDP_PUBLIC_URL="nowhere",
            SYNEUDP_PAYMENTS="cash",
            SYNEUDP_TRUSTED_PROXIES="everyone",
            SYNEUDP_BIND="8000",
        )
    told = " ".join(refusal.value.faults)
    assert all(name in told for name in ("PUBLIC_URL", "PAYMENTS", "TRUSTED_PROXIES", "BIND"))
    assert not any(value in told for value in ("nowhere", "cash", "everyone"))
