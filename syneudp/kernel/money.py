"""Money is an integer count of micro-units, one millionth of the currency unit; no float touches it."""

from typing import Final

MICROS_PER_UNIT: Final = 1_000_000
SECONDS_PER_HOUR: Final = 3600
HOURS_PER_MONTH_EQUIVALENT: Final = 720
MAX_PRICE_MICROS_PER_HOUR: Final = 1_000_000_000
MAX_TOP_UP_MICROS: Final = 10_000 * MICROS_PER_UNIT
MICROS_PER_CENT: Final = 10_000


def format_micros(amount_micros: int, *, decimals: int = 2) -> str:
    """Write an amount with a fixed number of decimals, cut towards zero so that nobody is shown money they lack.

    Units: micro-units in, currency units out. Raises ValueError for decimals outside 0..6.
    """
    if not 0 <= decimals <= len(str(MICROS_PER_UNIT)) - 1:
        raise ValueError("decimals must be between 0 and 6")
    sign = "-" if amount_micros < 0 else ""
    units, micros = divmod(abs(amount_micros), MICROS_PER_UNIT)
    if decimals == 0:
        return f"{sign}{units:,}"
    return f"{sign}{units:,}.{f'{micros:06d}'[:decimals]}"
