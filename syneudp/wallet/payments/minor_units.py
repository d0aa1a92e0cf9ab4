"""Micro-units and a provider's minor units, exactly: what does not convert without a rest is refused.

Source: Stripe's "Supported currencies": zero-decimal and three-decimal currencies, the latter in steps of ten, and ISK,
whose amounts are written with two decimals that are always zero. UGX is described there in two ways and is not taken.
"""

from typing import Final

MICRO_DECIMALS: Final = 6
TWO_DECIMALS: Final = 2
ZERO_DECIMAL: Final = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"}
)
THREE_DECIMAL: Final = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
STEPS_IN_MINOR: Final = {**dict.fromkeys(THREE_DECIMAL, 10), "ISK": 100}
NOT_TAKEN: Final = frozenset({"UGX"})


def micros_per_minor(currency: str) -> int:
    """Tell how many micro-units a minor unit of the currency (ISO 4217) has. Raises ValueError for one not taken."""
    if currency in NOT_TAKEN:
        raise ValueError(f"{currency} cannot be paid with")
    decimals = 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else TWO_DECIMALS
    return int(10 ** (MICRO_DECIMALS - decimals))


def step_micros(currency: str) -> int:
    """Tell the smallest amount in micro-units of which every payable amount is a multiple. Raises ValueError."""
    return micros_per_minor(currency) * STEPS_IN_MINOR.get(currency, 1)


def to_minor(amount_micros: int, currency: str) -> int:
    """Convert micro-units into minor units. Raises ValueError where the amount is no multiple of the step."""
    if amount_micros % step_micros(currency):
        raise ValueError(f"payable amounts in {currency} are multiples of {step_micros(currency)} micro-units")
    return amount_micros // micros_per_minor(currency)


def to_micros(amount_minor: int, currency: str) -> int:
    """Convert minor units into micro-units, which is always exact. Raises ValueError for a currency not taken."""
    return amount_minor * micros_per_minor(currency)
