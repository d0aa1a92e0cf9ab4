import pytest
from hypothesis import given
from hypothesis import strategies as st

from syneudp.web.console.figures import Figures, duration, figures_for, instant

EURO = Figures("EUR")


@pytest.mark.parametrize(
    ("accepted", "written"),
    [
        ("", "€1,234.50"),
        ("en-GB,en;q=0.9", "€1,234.50"),
        ("de-DE,de;q=0.9,en;q=0.8", "1.234,50\u00a0€"),
        ("fr", "1\u202f234,50\u00a0€"),
        ("xx-YY;q=1,de;q=0.5", "1.234,50\u00a0€"),
        ("en;q=oops,de;q=0.1", "1.234,50\u00a0€"),
        ("*" * 5000, "€1,234.50"),
    ],
)
def test_an_amount_is_written_as_the_reader_writes_it(accepted: str, written: str) -> None:
    assert figures_for(accepted, currency="EUR").money(1_234_509_999) == written


def test_an_unknown_currency_is_named_by_its_code() -> None:
    assert Figures("CHF").money(1_500_000) == "CHF\u00a01.50"


def test_money_is_cut_and_never_rounded_up() -> None:
    assert EURO.money(999_999) == "€0.99"
    assert EURO.money(-999_999) == "−€0.99"


@given(st.integers(min_value=-(10**15), max_value=10**15))
def test_the_pieces_of_an_amount_hold_every_micro_unit(micros: int) -> None:
    amount = EURO.amount(micros)
    digits = (amount.head + amount.tail).replace("€", "").replace(",", "").replace(".", "").replace("−", "-")
    assert int(digits) == micros


@pytest.mark.parametrize(
    ("micros", "written"), [(12_000, "€0.012"), (1_000_000, "€1.00"), (6_944, "€0.006944"), (10, "€0.00001")]
)
def test_a_price_has_the_decimals_it_needs_and_at_least_cents(micros: int, written: str) -> None:
    assert EURO.exact(micros) == written


def test_a_second_costs_a_3600th() -> None:
    assert EURO.per_second(36_000) == "€0.00001000"


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0, "0 s"), (59, "59 s"), (3600, "1 h"), (3661, "1 h 1 min"), (90_061, "1 d 1 h"), (86_400 * 400, "over a year")],
)
def test_a_length_of_time_has_its_two_largest_units(seconds: int, written: str) -> None:
    assert duration(seconds).replace("\u00a0", " ") == written


@pytest.mark.parametrize(
    ("count", "written"), [(0, "0 bytes"), (1023, "1,023 bytes"), (1536, "1.5 KiB"), (1 << 30, "1 GiB")]
)
def test_a_size_is_told_in_binary_units(count: int, written: str) -> None:
    assert EURO.size(count).replace("\u00a0", " ") == written


def test_an_instant_is_told_in_utc_to_the_second() -> None:
    assert instant(1_795_421_551) == "23 Nov 2026, 08:12:31 UTC"
