from collections.abc import AsyncIterator

import pytest

from tests.identity.running import Identity, running_identity
from tests.servers import ControlDatabase


@pytest.fixture
async def identity(control: ControlDatabase) -> AsyncIterator[Identity]:
    async with running_identity(control) as identity:
        yield identity
