"""The local auth server: the same contract as Supabase Auth, for `make up` and tests, never for production."""

from syneudp.identity.local_auth.app import create_local_auth, prepare_local_auth
from syneudp.identity.local_auth.keys import revoke_signing_key, rotate_signing_key
from syneudp.identity.local_auth.settings import LocalAuthSettings

__all__ = ["LocalAuthSettings", "create_local_auth", "prepare_local_auth", "revoke_signing_key", "rotate_signing_key"]
