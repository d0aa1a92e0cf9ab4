import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syneudp.engines.contract import State
from syneudp.instances.errors import IllegalTransitionError, NameInvalidError
from syneudp.instances.rules import (
    BACKOFF_SECONDS_MAX,
    NAME_LENGTH_MAX,
    TRANSITIONS,
    Verb,
    backoff_seconds,
    clean_name,
    is_confirmed,
    require_transition,
    status_of,
    verb_for,
    wanted_state,
)
from syneudp.instances.values import Hold, Removal, Status


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ("orders", "orders"),
        ("  orders 2026 ", "orders 2026"),
        ("My_shop-1.test", "My_shop-1.test"),
        ("cafe\u0301", "caf\u00e9"),
        ("注文", "注文"),
        ("a" * NAME_LENGTH_MAX, "a" * NAME_LENGTH_MAX),
    ],
)
def test_a_name_is_brought_to_its_one_form(raw: str, kept: str) -> None:
    assert clean_name(raw) == kept


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "   ",
        "a'b",
        'a"b',
        "shop 🛒",
        "-lead",
        ".x",
        "_x",
        "a" * 64,
        "a" * 10_000,
        "a\nb",
        "a\tb",
        "a/b",
        "a;b",
        "\u202ea",
        "a\x00b",
        "\u0301a",
    ],
)
def test_any_other_name_is_refused(raw: str) -> None:
    with pytest.raises(NameInvalidError) as refused:
        clean_name(raw)
    assert refused.value.status == 422
    assert refused.value.errors[0].pointer == "/name"


@given(st.text(max_size=80))
def test_a_kept_name_stays_as_it_is_and_fits(raw: str) -> None:
    try:
        kept = clean_name(raw)
    except NameInvalidError:
        return
    assert clean_name(kept) == kept
    assert 1 <= len(kept) <= NAME_LENGTH_MAX
    assert kept == unicodedata.normalize("NFC", kept).strip()
    assert not set(kept) & set("'\"\\<>&;%\n\r\t\0")


@given(st.sets(st.sampled_from(Hold)))
def test_an_instance_is_wanted_running_exactly_while_nothing_holds_it(holds: set[Hold]) -> None:
    assert (wanted_state(None, holds) is State.RUNNING) == (not holds)
    assert all(wanted_state(removal, holds) is State.TERMINATED for removal in Removal)


def test_an_older_confirmation_of_the_wanted_state_does_not_count() -> None:
    assert is_confirmed(State.RUNNING, State.RUNNING, applied_generation=5, state_generation=5)
    assert not is_confirmed(State.RUNNING, State.RUNNING, applied_generation=4, state_generation=5)
    assert not is_confirmed(State.RUNNING, State.SUSPENDED, applied_generation=5, state_generation=5)
    assert not is_confirmed(State.RUNNING, None, applied_generation=0, state_generation=1)


@pytest.mark.parametrize(
    ("removal", "wanted", "confirmed", "ever_applied", "status"),
    [
        (None, State.RUNNING, False, False, Status.PROVISIONING),
        (None, State.RUNNING, True, True, Status.RUNNING),
        (None, State.RUNNING, False, True, Status.RESUMING),
        (None, State.SUSPENDED, False, False, Status.SUSPENDING),
        (None, State.SUSPENDED, True, True, Status.SUSPENDED),
        (Removal.OWNER, State.TERMINATED, False, True, Status.TERMINATING),
        (Removal.RETENTION, State.TERMINATED, True, True, Status.TERMINATED),
        (Removal.REFUSAL, State.TERMINATED, False, False, Status.FAILED),
        (Removal.REFUSAL, State.TERMINATED, True, True, Status.FAILED),
    ],
)
def test_status_is_derived(
    removal: Removal | None, wanted: State, confirmed: bool, ever_applied: bool, status: Status
) -> None:
    assert status_of(removal, wanted, confirmed=confirmed, ever_applied=ever_applied) is status


def test_the_table_names_every_status_and_ends_in_terminated() -> None:
    assert set(TRANSITIONS) == set(Status)
    reached = {Status.TERMINATED}
    while new := {status for status in Status if TRANSITIONS[status] & reached} - reached:
        reached |= new
    assert reached == set(Status)
    assert not TRANSITIONS[Status.TERMINATED]


def test_a_step_outside_the_table_is_a_fault() -> None:
    require_transition(Status.RUNNING, Status.RUNNING)
    require_transition(Status.SUSPENDING, Status.RESUMING)
    with pytest.raises(IllegalTransitionError):
        require_transition(Status.TERMINATED, Status.RUNNING)
    with pytest.raises(IllegalTransitionError):
        require_transition(Status.FAILED, Status.RUNNING)


def test_the_state_chooses_the_verb_before_the_password_does() -> None:
    assert verb_for(State.RUNNING, ever_applied=False, rotating=False) is Verb.CREATE
    assert verb_for(State.SUSPENDED, ever_applied=False, rotating=False) is Verb.CREATE
    assert verb_for(State.RUNNING, ever_applied=True, rotating=True) is Verb.ROTATE
    assert verb_for(State.RUNNING, ever_applied=True, rotating=False) is Verb.RESUME
    assert verb_for(State.SUSPENDED, ever_applied=True, rotating=True) is Verb.SUSPEND
    assert verb_for(State.TERMINATED, ever_applied=False, rotating=False) is Verb.TERMINATE


@given(st.integers(min_value=1, max_value=10_000), st.floats(min_value=0, max_value=1, exclude_max=True))
def test_backoff_is_at_least_a_second_and_bounded(attempts: int, chance: float) -> None:
    assert 1 <= backoff_seconds(attempts, chance=chance) <= BACKOFF_SECONDS_MAX
