import pytest

from entrypoints.embedded import free_port
from syneudp.identity import ConfirmationSent, EmailNotConfirmedError, InvalidCredentialsError
from syneudp.identity.local_auth import prepare_local_auth
from syneudp.kernel.database import reading, value
from syneudp.kernel.settings import SettingsInvalidError
from tests.identity.running import PASSWORD, local_auth_settings, new_email, running_identity, running_local_auth
from tests.servers import ControlDatabase


async def test_with_confirmation_on_a_known_address_cannot_be_told_from_a_new_one(control: ControlDatabase) -> None:
    async with running_identity(control, SYNEUDP_AUTH_CONFIRM_EMAILS="true") as identity:
        email = new_email()
        assert await identity.auth.sign_up(email=email, password=PASSWORD) == ConfirmationSent(email)
        assert await identity.auth.sign_up(email=email, password="another one") == ConfirmationSent(email)
        with pytest.raises(EmailNotConfirmedError):
            await identity.auth.sign_in_with_password(email=email, password=PASSWORD)
        with pytest.raises(InvalidCredentialsError):
            await identity.auth.sign_in_with_password(email=email, password="another one")


async def test_two_servers_starting_at_once_share_their_keys_and_a_second_start_keeps_them(
    control: ControlDatabase,
) -> None:
    async with running_local_auth(control) as one:
        keys = {"SYNEUDP_SEALING_KEYS": one.settings.sealing_keys.get_secret_value()}
        async with running_local_auth(control, **keys), running_local_auth(control, **keys):
            assert await value(reading(), "SELECT count(*) FROM local_auth_signing_keys") == 2


async def test_it_does_not_start_without_the_sealing_key_its_signing_keys_need(control: ControlDatabase) -> None:
    async with running_local_auth(control) as running:
        await prepare_local_auth(running.settings)
    with pytest.raises(SettingsInvalidError, match="SYNEUDP_SEALING_KEYS"):
        await prepare_local_auth(local_auth_settings(control, free_port()))
