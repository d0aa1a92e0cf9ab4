import pytest

from syneudp.kernel.money import format_micros


@pytest.mark.parametrize(
    ("amount_micros", "decimals", "written"),
    [
        (0, 2, "0.00"),
        (1, 2, "0.00"),
        (9_999, 2, "0.00"),
        (1_234_567_890, 2, "1,234.56"),
        (-1_500_000, 2, "-1.50"),
        (1_234_567, 6, "1.234567"),
        (7_999_999, 0, "7"),
    ],
)
def test_an_amount_is_cut_towards_zero(amount_micros: int, decimals: int, written: str) -> None:
    assert format_micros(amount_micros, decimals=decimals) == written


def test_more_decimals_than_a_micro_unit_has_are_refused() -> None:
    with pytest.raises(ValueError, match="decimals"):
        format_micros(1, decimals=7)
