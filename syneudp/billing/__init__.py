"""What the billing role repeats: close hours, act on depletion, deliver what is wanted, end retention, compare."""

from syneudp.billing.begin_months import begin_months
from syneudp.billing.close_hours import close_hours
from syneudp.billing.run_billing import run_billing
from syneudp.billing.watch_depletion import settle_due

__all__ = ["begin_months", "close_hours", "run_billing", "settle_due"]
