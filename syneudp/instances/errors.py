"""What the instances room refuses, as problems with a status, a code and a sentence."""

from syneudp.kernel.errors import ProblemError


class InstanceNotFoundError(ProblemError):
    """No such instance, or another customer's: the answer is the same."""

    status = 404
    code = "instance_not_found"
    title = "No such database"
    sentence = "There is no database with this id in your account."


class NameInvalidError(ProblemError):
    """The name holds something other than letters, digits, space, dash, underscore and dot, or is empty or too long."""

    status = 422
    code = "name_invalid"
    title = "Invalid name"
    sentence = (
        "A name has 1 to 63 letters, digits, spaces, dashes, underscores or dots, and begins with a letter or digit."
    )


class PlanOfAnotherEngineError(ProblemError):
    """The plan is sold for the other engine; a database stays on the engine it was made on."""

    status = 422
    code = "plan_of_another_engine"
    title = "Plan of another engine"
    sentence = "A database keeps its engine. Choose one of the plans of the same engine."


class PlanTooSmallError(ProblemError):
    """What the database holds is more than the plan stores."""

    status = 409
    code = "plan_too_small"
    title = "Plan too small"
    sentence = "This database holds more than that plan stores. Delete some of its data or choose a larger plan."


class NameTakenError(ProblemError):
    """The owner has a live instance of this name."""

    status = 409
    code = "name_taken"
    title = "Name taken"
    sentence = "You already have a database with this name."


class InsufficientBalanceError(ProblemError):
    """The wallet does not cover the minimum runway of everything that would then run."""

    status = 402
    code = "insufficient_balance"
    title = "Insufficient balance"
    sentence = (
        "Your balance does not cover the minimum running time of this database. Top up your wallet and try again."
    )


class CapReachedError(ProblemError):
    """The month's spending limit leaves no room for the minimum runway of everything that would then run."""

    status = 402
    code = "cap_reached"
    title = "Spending limit reached"
    sentence = (
        "Your spending limit for this month does not leave room for the minimum running time of this database."
        " Raise the limit, or wait for the next month."
    )


class HeldError(ProblemError):
    """Something other than the owner and the balance keeps the instance from running."""

    status = 409
    code = "held"
    title = "Held"
    sentence = "This database is held by the platform and cannot be resumed by you. Please contact the operator."


class StorageFullError(ProblemError):
    """Its storage is full, and the owner had the day's hour to make room already."""

    status = 409
    code = "storage_full"
    title = "Storage full"
    sentence = (
        "The storage of this database is full, and you already had an hour to make room in the last day."
        " Change to a larger plan, and it runs again by itself."
    )


class InstanceGoneError(ProblemError):
    """The instance failed, is being terminated or is gone; only reading and deleting it make sense."""

    status = 409
    code = "instance_gone"
    title = "Database gone"
    sentence = "This database failed or was deleted, so that it can no longer be changed."


class NotReadyError(ProblemError):
    """The agent has not confirmed the instance yet, so there is nothing to connect to."""

    status = 409
    code = "instance_not_ready"
    title = "Database not ready"
    sentence = "This database is still being made. Its password can be shown once it is ready."


class RotationPendingError(ProblemError):
    """A new password is on its way and it is not certain which one is accepted right now."""

    status = 409
    code = "rotation_pending"
    title = "New password on its way"
    sentence = "A new password is being set. Please try again in a moment."


class PreviousPasswordNotKeptError(ProblemError):
    """The previous password was to work for a while beside a new one where that cannot be."""

    status = 422
    code = "previous_password_not_kept"
    title = "Previous password not kept"
    sentence = (
        "Only a running database on a MySQL server can keep its previous password for a while."
        " PostgreSQL and MariaDB have one password a user: rotate without keeping it."
    )


class EngineUnavailableError(ProblemError):
    """The engine was down when a database was to be made; the creation was withdrawn, nothing is charged."""

    status = 503
    code = "engine_unavailable"
    title = "Engine unavailable"
    sentence = (
        "The database engine cannot be reached right now. Nothing was created and nothing is charged. Please try again."
    )


class IllegalTransitionError(Exception):
    """A change of status that the transition table does not hold: a fault in this program, never in a request."""
