"""What the wallet refuses."""

from syneudp.kernel.errors import ProblemError


class AmountInvalidError(ProblemError):
    """An amount that no top-up may have: not an integer, not positive, or above the limit of one payment."""

    status = 422
    code = "amount_invalid"
    title = "Invalid amount"
    sentence = "A top-up is a whole number of micro-units, more than zero and at most 10,000 currency units."


class CapInvalidError(ProblemError):
    """A monthly cap that is not an integer, not positive, or above the limit."""

    status = 422
    code = "cap_invalid"
    title = "Invalid spending limit"
    sentence = (
        "A month's spending limit is a whole number of micro-units, more than zero and at most 10^9 currency units."
    )


class WalletNotFoundError(ProblemError):
    """A customer without a wallet, which the first request after signing in opens."""

    status = 404
    code = "wallet_not_found"
    title = "No such wallet"
    sentence = "There is no wallet for this account."


class MonthInvalidError(ProblemError):
    """A month that is not written YYYY-MM."""

    status = 422
    code = "month_invalid"
    title = "Invalid month"
    sentence = "Write a month as YYYY-MM, such as 2026-01."


class StatementNotFoundError(ProblemError):
    """A month before the wallet began or one that has not begun."""

    status = 404
    code = "statement_not_found"
    title = "No such statement"
    sentence = "There is a statement for each month from the wallet's first to the present one, and none for this."


class StatementBrokenError(Exception):
    """A statement's lines do not lead from its opening to its closing balance: a fault of the books."""


class TariffUnknownError(Exception):
    """A tariff that has no price at the instant asked for: a fault of code."""


class TariffRefusedError(Exception):
    """A price that cannot be set; the text is one plain sentence for the operator."""


class SegmentConflictError(Exception):
    """A resource is used another way already, or another transaction changed a segment meanwhile: a fault of code."""


class HourOutOfOrderError(Exception):
    """An hour was to be closed before the one in front of it, or before it is over."""


class CurrencyMismatchError(Exception):
    """A wallet exists in another currency than the one the platform is set to."""
