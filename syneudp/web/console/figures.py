"""How numbers, amounts and instants are written for the customer who reads them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from syneudp.kernel import clock
from syneudp.kernel.money import MICROS_PER_UNIT, SECONDS_PER_HOUR

MICRO_DIGITS: Final = 6
CENT_DIGITS: Final = 2
PER_SECOND_DIGITS: Final = 8
SECONDS_PER_MINUTE: Final = 60
SECONDS_PER_DAY: Final = 86_400
HOURS_PER_THIRTY_DAYS: Final = 720
YEAR_SECONDS: Final = 365 * SECONDS_PER_DAY
BYTES_STEP: Final = 1024
BYTE_UNITS: Final = ("bytes", "KiB", "MiB", "GiB", "TiB")
MINUS: Final = "−"
NARROW_SPACE: Final = "\u202f"
NO_BREAK_SPACE: Final = "\u00a0"
CURRENCY_SIGNS: Final[Mapping[str, str]] = {"EUR": "€", "USD": "$", "GBP": "£"}
COMMA_AND_POINT: Final = (",", ".", False)
COMMA_AND_SPACE: Final = (",", NARROW_SPACE, False)
WRITING_BY_LANGUAGE: Final[Mapping[str, tuple[str, str, bool]]] = {
    "en": (".", ",", True),
    **dict.fromkeys(("da", "de", "el", "es", "id", "it", "nl", "pt", "ro", "sl", "tr"), COMMA_AND_POINT),
    **dict.fromkeys(("bg", "cs", "fi", "fr", "hu", "lt", "nb", "pl", "ru", "sk", "sv", "uk"), COMMA_AND_SPACE),
}
LONGEST_ACCEPT_LANGUAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount in two pieces: what a wallet shows, and the micro-units that make its movement visible."""

    head: str
    tail: str
    suffix: str


@dataclass(frozen=True, slots=True)
class Figures:
    """The writing of numbers for one reader; `decimal` and `group` are separators, `sign_first` places the currency."""

    currency: str
    decimal: str = "."
    group: str = ","
    sign_first: bool = True

    @property
    def before(self) -> str:
        """What stands before an amount's digits."""
        return CURRENCY_SIGNS.get(self.currency, self.currency + NO_BREAK_SPACE) if self.sign_first else ""

    @property
    def after(self) -> str:
        """What stands behind an amount's digits."""
        return "" if self.sign_first else NO_BREAK_SPACE + CURRENCY_SIGNS.get(self.currency, self.currency)

    def money(self, micros: int, decimals: int = CENT_DIGITS) -> str:
        """Write an amount of micro-units, cut towards zero so that nobody is shown money they lack."""
        return self._scaled(micros, MICRO_DIGITS, decimals)

    def whole(self, micros: int) -> str:
        """Write an amount without cents where it has none."""
        return self.money(micros, 0 if micros % MICROS_PER_UNIT == 0 else CENT_DIGITS)

    def exact(self, micros: int) -> str:
        """Write an amount with as many decimals as it needs, at least cents."""
        digits = f"{abs(micros) % MICROS_PER_UNIT:0{MICRO_DIGITS}d}".rstrip("0")
        return self.money(micros, max(CENT_DIGITS, len(digits)))

    def amount(self, micros: int) -> Amount:
        """Split an amount of micro-units into what is read and what ticks."""
        written = self._digits(micros, MICRO_DIGITS, MICRO_DIGITS)
        cut = len(written) - (MICRO_DIGITS - CENT_DIGITS)
        return Amount(head=_signed(micros) + self.before + written[:cut], tail=written[cut:], suffix=self.after)

    def per_second(self, price_micros_per_hour: int) -> str:
        """Write what one second costs, to a hundredth of a micro-unit."""
        hundredths = price_micros_per_hour * 100 // SECONDS_PER_HOUR
        return self._scaled(hundredths, PER_SECOND_DIGITS, PER_SECOND_DIGITS)

    def thirty_days(self, price_micros_per_hour: int) -> str:
        """Write what 30 days without a pause cost."""
        return self.money(price_micros_per_hour * HOURS_PER_THIRTY_DAYS)

    def number(self, value: int) -> str:
        """Write a whole number with its groups."""
        return _signed(value) + f"{abs(value):,}".replace(",", self.group)

    def size(self, count: int) -> str:
        """Write a number of bytes in the largest binary unit that leaves at least one."""
        unit = 0
        scale = 1
        while count >= scale * BYTES_STEP and unit < len(BYTE_UNITS) - 1:
            scale *= BYTES_STEP
            unit += 1
        whole, rest = divmod(count, scale)
        tenth = rest * 10 // scale
        written = self.number(whole) if unit == 0 or tenth == 0 else f"{self.number(whole)}{self.decimal}{tenth}"
        return f"{written}{NO_BREAK_SPACE}{BYTE_UNITS[unit]}"

    def _scaled(self, value: int, scale: int, decimals: int) -> str:
        return _signed(value) + self.before + self._digits(value, scale, decimals) + self.after

    def _digits(self, value: int, scale: int, decimals: int) -> str:
        whole, rest = divmod(abs(value), 10**scale)
        grouped = f"{whole:,}".replace(",", self.group)
        return f"{grouped}{self.decimal}{f'{rest:0{scale}d}'[:decimals]}" if decimals else grouped


def figures_for(accept_language: str, *, currency: str) -> Figures:
    """Choose the writing of numbers from `Accept-Language` (RFC 9110, 12.5.4); English where no language is known."""
    wishes: list[tuple[float, str]] = []
    for wish in accept_language[:LONGEST_ACCEPT_LANGUAGE].split(","):
        tag, _, weight = wish.strip().partition(";q=")
        language = tag.split("-")[0].lower()
        if language in WRITING_BY_LANGUAGE:
            wishes.append((_weight(weight), language))
    best = max(wishes, key=lambda wish: wish[0], default=(1.0, "en"))[1]
    decimal, group, sign_first = WRITING_BY_LANGUAGE[best]
    return Figures(currency=currency, decimal=decimal, group=group, sign_first=sign_first)


def duration(seconds: int) -> str:
    """Write a length of time in its two largest units."""
    if seconds >= YEAR_SECONDS:
        return "over a year"
    days, rest = divmod(max(seconds, 0), SECONDS_PER_DAY)
    hours, rest = divmod(rest, SECONDS_PER_HOUR)
    minutes, left = divmod(rest, SECONDS_PER_MINUTE)
    pieces = ((days, "d"), (hours, "h"), (minutes, "min"), (left, "s"))
    first = next((place for place, (count, _) in enumerate(pieces) if count), len(pieces) - 1)
    shown = [piece for piece in pieces[first : first + 2] if piece[0]] or [pieces[-1]]
    return " ".join(f"{count}{NO_BREAK_SPACE}{unit}" for count, unit in shown)


def instant(epoch: int) -> str:
    """Write an instant in UTC, to the second."""
    moment = clock.instant(epoch)
    return f"{moment.day} {moment:%b %Y, %H:%M:%S} UTC"


def _signed(value: int) -> str:
    return MINUS if value < 0 else ""


def _weight(text: str) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        return 0.0


def day(epoch: int) -> str:
    """Write a day, in UTC."""
    moment = clock.instant(epoch)
    return f"{moment.day} {moment:%b %Y}"


def month(epoch: int) -> str:
    """Write the month that an instant lies in, in UTC."""
    return f"{clock.instant(epoch):%B %Y}"
