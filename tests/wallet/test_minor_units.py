import pytest
from hypothesis import given
from hypothesis import strategies as st

from syneudp.wallet.payments.minor_units import micros_per_minor, step_micros, to_micros, to_minor

CURRENCIES = ("EUR", "USD", "JPY", "KRW", "KWD", "BHD", "ISK")


@pytest.mark.parametrize(
    ("micros", "currency", "minor"),
    [
        (12_340_000, "EUR", 1234),
        (10_000, "EUR", 1),
        (500_000_000, "JPY", 500),
        (1_000_000, "KRW", 1),
        (5_120_000, "KWD", 5120),
        (5_000_000, "ISK", 500),
    ],
)
def test_an_amount_converts_both_ways(micros: int, currency: str, minor: int) -> None:
    assert to_minor(micros, currency) == minor
    assert to_micros(minor, currency) == micros


@pytest.mark.parametrize(
    ("micros", "currency"),
    [
        (1, "EUR"),
        (9_999, "EUR"),
        (12_345_678, "EUR"),
        (500_000, "JPY"),
        (5_124_000, "KWD"),
        (1_000, "BHD"),
        (10_000, "ISK"),
    ],
)
def test_what_has_no_coin_is_refused(micros: int, currency: str) -> None:
    with pytest.raises(ValueError, match="multiples of"):
        to_minor(micros, currency)


def test_a_currency_whose_minor_unit_is_in_doubt_is_not_taken() -> None:
    with pytest.raises(ValueError, match="UGX"):
        to_micros(500, "UGX")


@given(st.sampled_from(CURRENCIES), st.integers(0, 10**16))
def test_every_amount_converts_exactly_or_not_at_all(currency: str, micros: int) -> None:
    if micros % step_micros(currency):
        with pytest.raises(ValueError, match="multiples of"):
            to_minor(micros, currency)
    else:
        assert to_micros(to_minor(micros, currency), currency) == micros
    assert step_micros(currency) % micros_per_minor(currency) == 0
