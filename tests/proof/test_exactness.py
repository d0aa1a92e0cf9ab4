from itertools import pairwise
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from syneudp.wallet import rules
from syneudp.wallet.values import Segment

HOUR = 3600
PRICE_MAX = 1_000_000_000
THIRTY_YEARS = 30 * 366 * 24 * HOUR


@given(
    st.integers(PRICE_MAX - 10**6, PRICE_MAX),
    st.lists(st.integers(THIRTY_YEARS - 10**6, THIRTY_YEARS), min_size=2, max_size=5, unique=True),
)
def test_the_dearest_price_is_exact_after_thirty_years_where_a_micro_unit_is_all_but_full(
    price: int, cuts: list[int]
) -> None:
    cuts.sort()
    carry = (-price * cuts[-1] - 1) % HOUR
    segment = Segment(uuid4(), 0, None, price, carry, uuid4())
    for begin, end in pairwise(cuts):
        exact = divmod(price * end + carry, HOUR)[0] - divmod(price * begin + carry, HOUR)[0]
        assert rules.charge(segment, begin, end) == exact
