"""What identity refuses, each with its HTTP status, stable code and one sentence fit for a customer."""

from syneudp.kernel.errors import ProblemError

BEARER_CHALLENGE = {"WWW-Authenticate": "Bearer"}


class AuthenticationRequiredError(ProblemError):
    """The caller has not shown who they are: no token, or one that is not accepted (RFC 6750, section 3)."""

    status = 401
    code = "authentication_required"
    title = "Authentication required"
    sentence = "Sign in, or send a valid bearer token."

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail, headers=BEARER_CHALLENGE)


class AuthUnavailableError(ProblemError):
    """The auth server did not answer, or answered with a fault of its own."""

    status = 503
    code = "auth_unavailable"
    title = "Sign-in is unavailable"
    sentence = "The sign-in service does not answer at the moment. Try again in a minute."


class InvalidCredentialsError(ProblemError):
    """Unknown address or wrong password; the two are never told apart."""

    status = 400
    code = "invalid_credentials"
    title = "Not signed in"
    sentence = "The e-mail address or the password is wrong."


class EmailNotConfirmedError(ProblemError):
    """The password was right and the address still waits for its confirmation."""

    status = 400
    code = "email_not_confirmed"
    title = "Address not confirmed"
    sentence = "Confirm your e-mail address first: open the link we sent to it."


class UserAlreadyExistsError(ProblemError):
    """Somebody signed up with this address before; only an auth server that confirms by itself says so."""

    status = 422
    code = "user_already_exists"
    title = "Already signed up"
    sentence = "There is an account with this e-mail address already. Sign in instead."


class WeakPasswordError(ProblemError):
    """The auth server's rule for passwords was not met."""

    status = 422
    code = "weak_password"
    title = "Password too weak"
    sentence = "Choose a longer password, at least 8 characters and at most 72."


class EmailAddressInvalidError(ProblemError):
    """The auth server cannot take this text for an e-mail address or password."""

    status = 422
    code = "email_address_invalid"
    title = "Not an e-mail address"
    sentence = "Enter an e-mail address like name@example.com and a password."


class SignUpDisabledError(ProblemError):
    """The auth server takes no new users."""

    status = 403
    code = "sign_up_disabled"
    title = "Sign-up is closed"
    sentence = "New accounts cannot be opened here at the moment."


class AuthRateLimitedError(ProblemError):
    """The auth server asks for a pause."""

    status = 429
    code = "auth_rate_limited"
    title = "Too many attempts"
    sentence = "There were too many attempts. Wait a few minutes and try again."


class AuthRefusedError(ProblemError):
    """The auth server refused for a reason that has no error of its own here."""

    status = 422
    code = "auth_refused"
    title = "Refused by the sign-in service"
    sentence = "The sign-in service refused this."


class RefreshRefusedError(AuthenticationRequiredError):
    """The auth server will not prolong this session again: it was ended, reused, or its user is banned."""

    code = "session_ended"
    title = "Signed out"
    sentence = "Your session has ended. Sign in again."
