import pytest

from syneudp.kernel.settings import SettingsInvalidError, load_settings
from syneudp.wallet import WalletSettings


def test_the_sandbox_is_for_home_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNEUDP_PAYMENTS", "sandbox")
    monkeypatch.delenv("SYNEUDP_ENVIRONMENT", raising=False)
    with pytest.raises(SettingsInvalidError) as refused:
        load_settings(WalletSettings)
    assert "SYNEUDP_PAYMENTS" in str(refused.value)
    monkeypatch.setenv("SYNEUDP_ENVIRONMENT", "local")
    assert load_settings(WalletSettings).payments == "sandbox"


@pytest.mark.parametrize("told", ["", "paypal"])
def test_where_money_comes_from_has_no_default(monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    monkeypatch.setenv("SYNEUDP_PAYMENTS", told)
    with pytest.raises(SettingsInvalidError):
        load_settings(WalletSettings)


STRIPE = {"SYNEUDP_PAYMENTS": "stripe", "STRIPE_SECRET_KEY": "rk_live_0123456789"}


def load(monkeypatch: pytest.MonkeyPatch, **variables: str) -> WalletSettings:
    monkeypatch.delenv("SYNEUDP_ENVIRONMENT", raising=False)
    for name, told in {**STRIPE, **variables}.items():
        monkeypatch.setenv(name, told)
    return load_settings(WalletSettings)


def test_stripe_is_reached_over_tls_with_a_secret_key(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch)
    assert settings.stripe_api_base == "https://api.stripe.com"
    assert "rk_live_0123456789" in settings.secrets()
    assert "rk_live" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("STRIPE_SECRET_KEY", ""),
        ("STRIPE_SECRET_KEY", "pk_live_0123456789"),
        ("STRIPE_SECRET_KEY", "sk_live_key with spaces"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_short"),
        ("STRIPE_API_BASE", "http://api.stripe.com"),
        ("STRIPE_API_BASE", "https://api.stripe.com/v1"),
        ("STRIPE_CHECKOUT_ORIGIN", "http://checkout.example.com"),
    ],
)
def test_a_bad_variable_of_stripes_is_named_and_never_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, told: str
) -> None:
    with pytest.raises(SettingsInvalidError) as refused:
        load(monkeypatch, **{name: told})
    assert name in str(refused.value)
    assert not told or told not in str(refused.value)


def test_two_webhook_secrets_are_accepted_while_one_replaces_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = "whsec_first0123456789ab", "whsec_second0123456789ab"
    settings = load(monkeypatch, STRIPE_WEBHOOK_SECRET=first, STRIPE_WEBHOOK_SECRET_NEXT=second)
    assert settings.stripe_webhook_secrets == (first, second)
