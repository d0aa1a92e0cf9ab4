from collections.abc import Awaitable, Callable

import pytest
from quart import Quart

from tests.web.console.browsing import Browser

NewBrowser = Callable[[], Awaitable[Browser]]


@pytest.fixture
async def browser(app: Quart) -> Browser:
    return await Browser(app).sign_up()


@pytest.fixture
def visitor(app: Quart) -> Browser:
    return Browser(app)
