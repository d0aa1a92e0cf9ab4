from collections.abc import AsyncIterator, Iterator

import pytest

from tests.payments.localstripe_process import running_localstripe
from tests.payments.stripe_peer import StripePeer, running_peer
from tests.payments.till import Till, opened_till
from tests.servers import ControlDatabase


@pytest.fixture(scope="session")
def localstripe() -> Iterator[str]:
    with running_localstripe() as url:
        yield url


@pytest.fixture
async def peer(localstripe: str) -> AsyncIterator[StripePeer]:
    async with running_peer(localstripe) as peer:
        yield peer


@pytest.fixture
async def till(control: ControlDatabase, peer: StripePeer) -> AsyncIterator[Till]:
    async with opened_till(control, peer) as till:
        yield till
