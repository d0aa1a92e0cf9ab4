"""Instances: what is wanted of each database, what its agent confirmed, and how the two are brought together."""

from syneudp.instances.audit_holds import audit
from syneudp.instances.change_holds import freeze_indebted, resume_covered, resume_instance, suspend_instance
from syneudp.instances.change_plan import change_plan
from syneudp.instances.climb_storage import Filling, climb_storage, filling_of
from syneudp.instances.compare_host import Comparison, compare_host
from syneudp.instances.create_instance import Created, create_instance
from syneudp.instances.credentials import credentials_sealed_under
from syneudp.instances.deliver import Ready, deliver, deliver_creation
from syneudp.instances.errors import (
    CapReachedError,
    EngineUnavailableError,
    HeldError,
    InstanceGoneError,
    InstanceNotFoundError,
    InsufficientBalanceError,
    NameInvalidError,
    NameTakenError,
    NotReadyError,
    PlanOfAnotherEngineError,
    PlanTooSmallError,
    PreviousPasswordNotKeptError,
    RotationPendingError,
    StorageFullError,
)
from syneudp.instances.inspect_host import Finding, Inspected, Inspection, inspect_host, repair_host
from syneudp.instances.lock_wallet import lock_wallet, settle_many
from syneudp.instances.metering import claim_sampling, downsample, record_usage
from syneudp.instances.price_storage import Grown, grown_of, price_storage
from syneudp.instances.price_versions import prices_of, seed_plans, set_price
from syneudp.instances.queries import (
    count_pending,
    events_of,
    expired_wallets,
    instance,
    instances_of,
    names_of,
    pending_deliveries,
    reveal,
)
from syneudp.instances.receive_payment import Received, ask_payment, receive_notice, receive_payment
from syneudp.instances.recover_host import Found, RecoveryView, recoveries_of, release_host
from syneudp.instances.rename_instance import rename_instance
from syneudp.instances.retention import KeptData, kept_data, wallets_to_warn, warn_of_retention
from syneudp.instances.rotate_credential import keeps_previous_password, rotate_credential
from syneudp.instances.series import SPAN_SECONDS_MAX, MetricPoint, Series, metrics_of
from syneudp.instances.settings import InstancesSettings
from syneudp.instances.spending_cap import CapSet, begin_month, set_cap, wallets_of_past_months
from syneudp.instances.storage_ladder import room_from
from syneudp.instances.terminate_instance import terminate_expired, terminate_instance
from syneudp.instances.values import (
    Accrual,
    Actor,
    ConnectionView,
    EventKind,
    EventPage,
    EventView,
    Hold,
    InstancePage,
    InstanceServices,
    InstanceView,
    Ladder,
    PendingDelivery,
    Removal,
    Rung,
    Secret,
    Status,
)

__all__ = [
    "SPAN_SECONDS_MAX",
    "Accrual",
    "Actor",
    "CapReachedError",
    "CapSet",
    "Comparison",
    "ConnectionView",
    "Created",
    "EngineUnavailableError",
    "EventKind",
    "EventPage",
    "EventView",
    "Filling",
    "Finding",
    "Found",
    "Grown",
    "HeldError",
    "Hold",
    "Inspected",
    "Inspection",
    "InstanceGoneError",
    "InstanceNotFoundError",
    "InstancePage",
    "InstanceServices",
    "InstanceView",
    "InstancesSettings",
    "InsufficientBalanceError",
    "KeptData",
    "Ladder",
    "MetricPoint",
    "NameInvalidError",
    "NameTakenError",
    "NotReadyError",
    "PendingDelivery",
    "PlanOfAnotherEngineError",
    "PlanTooSmallError",
    "PreviousPasswordNotKeptError",
    "Ready",
    "Received",
    "RecoveryView",
    "Removal",
    "RotationPendingError",
    "Rung",
    "Secret",
    "Series",
    "Status",
    "StorageFullError",
    "ask_payment",
    "audit",
    "begin_month",
    "change_plan",
    "claim_sampling",
    "climb_storage",
    "compare_host",
    "count_pending",
    "create_instance",
    "credentials_sealed_under",
    "deliver",
    "deliver_creation",
    "downsample",
    "events_of",
    "expired_wallets",
    "filling_of",
    "freeze_indebted",
    "grown_of",
    "inspect_host",
    "instance",
    "instances_of",
    "keeps_previous_password",
    "kept_data",
    "lock_wallet",
    "metrics_of",
    "names_of",
    "pending_deliveries",
    "price_storage",
    "prices_of",
    "receive_notice",
    "receive_payment",
    "record_usage",
    "recoveries_of",
    "release_host",
    "rename_instance",
    "repair_host",
    "resume_covered",
    "resume_instance",
    "reveal",
    "room_from",
    "rotate_credential",
    "seed_plans",
    "set_cap",
    "set_price",
    "settle_many",
    "suspend_instance",
    "terminate_expired",
    "terminate_instance",
    "wallets_of_past_months",
    "wallets_to_warn",
    "warn_of_retention",
]
