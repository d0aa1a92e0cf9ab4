from collections.abc import Iterator

import pytest

from tests.e2e.stack import running_stack
from tests.stack.inside import Inside


@pytest.fixture(scope="session")
def inside() -> Iterator[Inside]:
    with running_stack() as stack:
        yield Inside(stack)
