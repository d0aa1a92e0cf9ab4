"""What is sold and where it runs: plans, their prices from instants on, hosts and placement."""

from syneudp.catalog.declarations import declared_host
from syneudp.catalog.errors import (
    CapacityExhaustedError,
    HostDeclarationError,
    HostRefusedError,
    HostUnknownError,
    UnknownPlanError,
)
from syneudp.catalog.manage_hosts import (
    add_host,
    close_host,
    drain_host,
    host_by_name,
    open_host,
    record_answer,
    record_silence,
)
from syneudp.catalog.placement import place, release, resize
from syneudp.catalog.prices import add_price, coming_prices, first_prices, next_price, price_versions
from syneudp.catalog.quarantine import begin_quarantine, end_quarantine, quarantine_of
from syneudp.catalog.queries import host, hosts, plan_by_slug, plans
from syneudp.catalog.seed_plans import register_hosts, seed
from syneudp.catalog.settings import CatalogSettings
from syneudp.catalog.values import DeclaredHost, HostState, HostView, PlanPrice, PlanView, QuarantineView

__all__ = [
    "CapacityExhaustedError",
    "CatalogSettings",
    "DeclaredHost",
    "HostDeclarationError",
    "HostRefusedError",
    "HostState",
    "HostUnknownError",
    "HostView",
    "PlanPrice",
    "PlanView",
    "QuarantineView",
    "UnknownPlanError",
    "add_host",
    "add_price",
    "begin_quarantine",
    "close_host",
    "coming_prices",
    "declared_host",
    "drain_host",
    "end_quarantine",
    "first_prices",
    "host",
    "host_by_name",
    "hosts",
    "next_price",
    "open_host",
    "place",
    "plan_by_slug",
    "plans",
    "price_versions",
    "quarantine_of",
    "record_answer",
    "record_silence",
    "register_hosts",
    "release",
    "resize",
    "seed",
]
