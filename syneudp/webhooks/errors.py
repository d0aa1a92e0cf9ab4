"""What webhooks refuse."""

from syneudp.kernel.errors import ProblemError


class EndpointUrlInvalidError(ProblemError):
    """A URL that nothing may be sent to."""

    status = 422
    code = "endpoint_url_invalid"
    title = "Invalid endpoint URL"
    sentence = (
        "An endpoint is an https URL of at most 2000 characters, without user name or fragment, whose host has public "
        "addresses alone."
    )


class EndpointNotFoundError(ProblemError):
    """No endpoint of this customer."""

    status = 404
    code = "endpoint_not_found"
    title = "No such webhook endpoint"
    sentence = "There is no webhook endpoint with this id."


class TooManyEndpointsError(ProblemError):
    """A customer has as many endpoints as one may have."""

    status = 409
    code = "too_many_endpoints"
    title = "Too many webhook endpoints"
    sentence = "There are 10 webhook endpoints already. Remove one to add another."


class AddressRefusedError(OSError):
    """A host has an address that nothing may be sent to: private, loopback, link-local, or otherwise not public."""
