"""What the books refuse before the database has to."""

from syneudp.kernel.errors import ProblemError


class IdempotencyConflictError(ProblemError):
    """A transfer's key was used before for another movement."""

    status = 409
    code = "idempotency_conflict"
    title = "Key used for another movement of money"
    sentence = "This key already stands for another movement of money. Nothing was moved."


class ReversalExceededError(ProblemError):
    """More of a transfer was to be taken back than is not taken back yet."""

    status = 409
    code = "reversal_exceeded"
    title = "More than is left to take back"
    sentence = "Less than that is left of this movement of money. Nothing was moved."


class BooksCutError(ProblemError):
    """What was asked for lies before the books' cut-off, where entries are detached."""

    status = 410
    code = "books_cut"
    title = "No longer in the books"
    sentence = "The books no longer reach back to that time. The operator keeps what was taken out of them."


class DetachRefusedError(Exception):
    """Entries cannot be detached as things stand; says why in one sentence."""


class TransferUnknownError(Exception):
    """A transfer that does not exist was named, or one whose entries are no longer in the books."""


class TransferInvalidError(Exception):
    """A transfer that the books cannot hold: a fault of the caller's code, never of a customer."""


class AccountUnknownError(Exception):
    """An account that does not exist was named: a fault of the caller's code."""
