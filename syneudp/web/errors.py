"""What the web refuses by itself, before any other room is asked."""

from syneudp.kernel.errors import ProblemError


class CrossSiteRequestError(ProblemError):
    """An unsafe request with a cookie that another site may have started."""

    status = 403
    code = "cross_site_request"
    title = "Request from another site"
    sentence = "This request did not come from this site's own pages."


class IdempotencyKeyRequiredError(ProblemError):
    """Money moves only under a key that makes a retry safe."""

    status = 400
    code = "idempotency_key_required"
    title = "Idempotency-Key required"
    sentence = "Send an Idempotency-Key header, so that a retry cannot act twice."


class NotAcceptableError(ProblemError):
    """The caller accepts none of the media types that are offered here (RFC 9110, 12.5.1)."""

    status = 406
    code = "not_acceptable"
    title = "Not acceptable"
    sentence = "This is offered in other media types than the ones accepted; the contract names them."
