"""The variables identity reads: where the auth server is and what its tokens must say."""

from typing import Annotated, Final

from pydantic import AfterValidator, Field, SecretStr

from syneudp.kernel.settings import Settings

LEGACY_SECRET_BYTES_MIN: Final = 32


def _base_url(text: str) -> str:
    bare = text.rstrip("/")
    if not bare.startswith(("http://", "https://")) or any(mark in bare for mark in ("?", "#", "@", " ")):
        raise ValueError("must be an http or https address without query, fragment or user name")
    return bare


def _long_enough(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value().encode()) < LEGACY_SECRET_BYTES_MIN:
        raise ValueError(f"must be at least {LEGACY_SECRET_BYTES_MIN} bytes")
    return secret


BaseUrl = Annotated[str, AfterValidator(_base_url)]
LegacySecret = Annotated[SecretStr, AfterValidator(_long_enough)]


class IdentitySettings(Settings):
    """`SUPABASE_*`: the public base defaults to the one this role uses, and the issuer to the public base."""

    auth_url: BaseUrl = Field(validation_alias="SUPABASE_AUTH_URL")
    auth_browser_url: BaseUrl | None = Field(None, validation_alias="SUPABASE_AUTH_PUBLIC_URL")
    jwt_expected_issuer: str | None = Field(None, validation_alias="SUPABASE_JWT_ISSUER")
    publishable_key: SecretStr | None = Field(None, validation_alias="SUPABASE_PUBLISHABLE_KEY")
    jwt_legacy_secret: LegacySecret | None = Field(None, validation_alias="SUPABASE_JWT_SECRET")

    @property
    def auth_public_url(self) -> str:
        """The auth server's base as a browser reaches it."""
        return self.auth_browser_url or self.auth_url

    @property
    def jwt_issuer(self) -> str:
        """The only `iss` that is accepted."""
        return self.jwt_expected_issuer or self.auth_public_url
