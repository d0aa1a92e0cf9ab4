"""Ask a signed-in customer for their password once more before a page shows what only they may see."""

from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final

from quart import after_this_request, request
from quart.typing import ResponseTypes

from syneudp.identity import (
    AuthenticationRequiredError,
    EmailAddressInvalidError,
    InvalidCredentialsError,
    signed_in_lately,
)
from syneudp.kernel.errors import ProblemError
from syneudp.web.access import current_session
from syneudp.web.console.views import FieldFault, FormView
from syneudp.web.customers import Customer
from syneudp.web.services import current_services
from syneudp.web.session_cookie import session_cookie, set_session_cookie

WRONG: Final = "This is not the password you sign in with."


@dataclass(frozen=True, slots=True)
class Unproven:
    """The form that asks for the password, or asks again, and the HTTP status to show it with."""

    form: FormView
    status: int


async def prove(customer: Customer) -> Customer | Unproven:
    """Take a sign-in of the last ten minutes, or the password in the request's form, as proof of who is there.

    The right password signs in anew: the customer comes back with the new session's token, and whatever the request is
    answered with carries its cookie. Raises AuthenticationRequiredError (401) where the session is over.
    """
    if await signed_in_lately(current_session()):
        return customer
    asking = FormView(values={"email": customer.user.email})
    password = (await request.form).get("password", "")
    if not password:
        return Unproven(asking, HTTPStatus.FORBIDDEN)
    try:
        return await _sign_in_again(customer, password)
    except AuthenticationRequiredError:
        raise
    except (InvalidCredentialsError, EmailAddressInvalidError):
        wrong = replace(asking, faults=(FieldFault("password", WRONG),))
        return Unproven(wrong, HTTPStatus.UNPROCESSABLE_ENTITY)
    except ProblemError as fault:
        return Unproven(replace(asking, sentence=fault.detail), fault.status)


async def _sign_in_again(customer: Customer, password: str) -> Customer:
    services = current_services()
    https = services.settings.https
    opened = await services.sessions.sign_in_again(
        session_cookie(request, https=https) or "",
        current_session(),
        password=password,
        address=customer.address,
        user_agent=customer.user_agent,
    )

    def hand_over(response: ResponseTypes) -> ResponseTypes:
        set_session_cookie(response, opened.cookie, https=https)
        return response

    after_this_request(hand_over)
    return replace(customer, access_token=opened.session.access_token)
