"""Which unsafe requests may act with a browser's cookie."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
TRUSTED_FETCH_SITES = frozenset({"same-origin", "none"})


def is_forged(method: str, *, fetch_site: str | None, origin: str | None, public_origin: str) -> bool:
    """Tell whether a request could have been started by another site.

    The rule of Go 1.25's CrossOriginProtection, made stricter: `Sec-Fetch-Site` decides where the browser sends it,
    else an exact `Origin` does, and a request with neither is refused because no current browser sends one.
    """
    if method in SAFE_METHODS:
        return False
    if fetch_site is not None:
        return fetch_site not in TRUSTED_FETCH_SITES
    return origin != public_origin
