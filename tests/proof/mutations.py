"""Faults that were reproduced elsewhere, each as a small change of our own source that some test must notice."""

from dataclasses import dataclass
from pathlib import Path

WALLET = Path("syneudp/wallet")
INSTANCES = Path("syneudp/instances")
KERNEL = Path("syneudp/kernel")
MIGRATIONS = Path("migrations/models/init")


@dataclass(frozen=True)
class Mutation:
    name: str
    file: Path
    change: tuple[tuple[str, str], ...]
    noticed_by: str


MUTATIONS = (
    Mutation(
        "the_close_skips_its_closed_through_condition",
        WALLET / "close_hour.py",
        (
            ('    if found["closed_through"] > hour:\n        return False\n', ""),
            (
                '    if found["closed_through"] < hour or found["now"] < _end(hour):\n        raise HourOutOfOrderError\n',
                "",
            ),
        ),
        "tests/wallet/test_close_hour.py::test_an_hour_is_closed_once_and_in_order",
    ),
    Mutation(
        "now_stands_still_instead_of_following_the_lock",
        KERNEL / "clock.py",
        (("epoch FROM clock_timestamp()", "epoch FROM now()"),),
        "tests/proof/test_clock.py",
    ),
    Mutation(
        "transactions_are_repeatable_read",
        KERNEL / "database.py",
        (
            (
                "                return await work(tx)\n        except",
                (
                    '                await execute(tx, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")\n'
                    "                return await work(tx)\n        except"
                ),
            ),
        ),
        "tests/wallet/test_locks.py::test_a_lock_that_waited_for_another_sees_what_that_one_did",
    ),
    Mutation(
        "money_is_a_float",
        WALLET / "rules.py",
        (
            (
                "(total + price * (at - begin)) // SECONDS_PER_HOUR",
                "int((total + price * (at - begin)) / SECONDS_PER_HOUR)",
            ),
        ),
        "tests/proof/test_exactness.py",
    ),
    Mutation(
        "no_carry_goes_on",
        WALLET / "rules.py",
        (("+ segment.carry) % SECONDS_PER_HOUR", "+ segment.carry) * 0"),),
        "tests/wallet/test_rules.py",
    ),
    Mutation(
        "outcomes_are_recorded_whatever_is_wanted_by_then",
        INSTANCES / "parcels.py",
        (
            (
                (
                    "        return (record.generation, record.wanted, record.credential_version) == (\n"
                    "            self.generation,\n            self.state,\n            self.credential_version,\n        )"
                ),
                "        return bool(record)",
            ),
        ),
        "tests/instances/test_delivery.py::test_a_late_outcome_after_a_newer_intent_changes_nothing",
    ),
    Mutation(
        "nothing_is_settled_first",
        WALLET / "depletion.py",
        (("    if not changed and (depletes_at is None or depletes_at > locked.now):", "    if True:"),),
        "tests/wallet/test_depletion.py::test_a_top_up_two_hours_late_does_not_pay_for_the_two_hours",
    ),
    Mutation(
        "holds_are_one_value",
        INSTANCES / "change_holds.py",
        (
            (
                "        holds = record.holds - lifted\n",
                "        holds: frozenset[Hold] = frozenset()\n",
            ),
        ),
        "tests/instances/test_intents.py::test_a_top_up_clears_the_balance_hold_and_only_that_one",
    ),
    Mutation(
        "a_cap_ends_nothing",
        WALLET / "cap_rules.py",
        (("        if capped_at is not None and capped_at < depletes_at:", "        if capped_at is None:"),),
        "tests/wallet/test_caps.py::test_what_runs_ends_at_the_very_second_and_the_balance_is_left_alone",
    ),
    Mutation(
        "an_hour_forgets_the_carry",
        MIGRATIONS / "wallet_close.sql",
        (("(end_at - s.from_at) + s.carry) / 3600 - s.carry / 3600", "(end_at - s.from_at)) / 3600"),),
        "tests/wallet/test_close_hour.py::test_an_hour_goes_on_from_the_half_micro_that_a_stop_in_it_left",
    ),
)
