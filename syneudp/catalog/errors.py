"""What the catalog refuses."""

from syneudp.kernel.errors import ProblemError


class UnknownPlanError(ProblemError):
    """No plan of that name is sold."""

    status = 422
    code = "unknown_plan"
    title = "Unknown plan"
    sentence = "There is no plan of that name. The list of plans says which there are."


class CapacityExhaustedError(ProblemError):
    """No open host has room for another instance of that engine."""

    status = 409
    code = "capacity_exhausted"
    title = "No room left"
    sentence = "There is no room for another database of this engine at the moment. Please try again later."


class HostUnknownError(Exception):
    """A host that does not exist was named, or one gave back more than it held: a fault of the caller's code."""


class HostRefusedError(Exception):
    """What an operator wants of a host cannot be; the text is one plain sentence for the operator."""


class HostDeclarationError(Exception):
    """A declared host contradicts the one of that name that is registered already."""
