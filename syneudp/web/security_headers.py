"""What every answer tells the browser about itself."""

from quart import Response

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; base-uri 'none'; connect-src 'self'; font-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; img-src 'self' data:; manifest-src 'self'; script-src 'self'; style-src 'self'"
)
HSTS_SECONDS = 63_072_000

SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def protect(response: Response, *, https: bool, private: bool, form_target: str | None = None) -> Response:
    """Add the security headers to one answer.

    `form_target` is another origin that a form of the page may lead to, as paying does.

    `https` says that browsers reach the platform over TLS, the only case where HSTS means anything (RFC 6797, 7.2);
    `private` that the answer belongs to one customer and must be kept nowhere.
    """
    response.headers.update(SECURITY_HEADERS)
    if form_target is not None:
        allowed = f"form-action 'self' {form_target};"
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY.replace("form-action 'self';", allowed)
    if https:
        response.headers["Strict-Transport-Security"] = f"max-age={HSTS_SECONDS}; includeSubDomains"
    if private:
        response.headers["Cache-Control"] = "no-store"
    return response
