"""What payments refuse."""

from syneudp.kernel.errors import ProblemError


class PaymentsUnavailableError(ProblemError):
    """The payment provider does not answer, or refuses this platform's own credentials."""

    status = 503
    code = "payments_unavailable"
    title = "Payments unavailable"
    sentence = (
        "The payment provider could not be reached, and nothing was charged. Try again in a minute; "
        "the same Idempotency-Key makes that safe."
    )


class AmountNotPayableError(ProblemError):
    """An amount that the currency has no coin for, or that the provider takes no payment of."""

    status = 422
    code = "amount_not_payable"
    title = "Amount cannot be paid"
    sentence = "The payment provider takes no payment of this amount. Choose another one."


class PaymentNotFoundError(ProblemError):
    """No such payment, or another customer's."""

    status = 404
    code = "payment_not_found"
    title = "No such payment"
    sentence = "There is no such payment in this wallet."


class SignatureInvalidError(ProblemError):
    """A webhook's body that no accepted secret has signed, or signed too long ago."""

    status = 400
    code = "signature_invalid"
    title = "Invalid signature"
    sentence = "The signature of this event does not fit its body, or is too old."


class ModeMismatchError(ProblemError):
    """An event of the provider's test mode where live money counts, or the other way round."""

    status = 400
    code = "mode_mismatch"
    title = "Event of another mode"
    sentence = "This event is of the provider's other mode, test or live, than the one that counts here."
