"""What this room reads from the environment."""

from typing import Final

from pydantic import Field

from syneudp.kernel.settings import Settings

RUNWAY_SECONDS_MAX: Final = 2_592_000
SECONDS_PER_DAY: Final = 86_400


class InstancesSettings(Settings):
    """`SYNEUDP_MINIMUM_RUNWAY_SECONDS`: how long a wallet must be able to pay for what is to run on it.

    `SYNEUDP_RETENTION_DAYS`: how long the data of an instance that ran out of money is kept.
    """

    minimum_runway_seconds: int = Field(
        3600, ge=1, le=RUNWAY_SECONDS_MAX, validation_alias="SYNEUDP_MINIMUM_RUNWAY_SECONDS"
    )
    retention_days: int = Field(14, ge=1, le=3650, validation_alias="SYNEUDP_RETENTION_DAYS")

    @property
    def retention_seconds(self) -> int:
        """The retention in seconds."""
        return self.retention_days * SECONDS_PER_DAY
