"""What the agent counts, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class AgentMetrics:
    """Counters of one agent, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.calls = Counter(
            "syneudp_agent_calls", "Calls answered.", ("engine", "call", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "syneudp_agent_call_seconds",
            "Time to answer a call, in seconds.",
            ("engine", "call"),
            buckets=SECONDS_BUCKETS,
            registry=self.registry,
        )
        self.sessions_ended = Counter(
            "syneudp_agent_sessions_ended", "Tenant sessions ended.", ("engine",), registry=self.registry
        )
        self.limits_enforced = Counter(
            "syneudp_agent_limits_enforced",
            "Statements cancelled and sessions ended because they were over a limit.",
            ("engine", "limit"),
            registry=self.registry,
        )
        self.engine_up = Gauge(
            "syneudp_agent_engine_up", "1 while the engine answers.", ("engine",), registry=self.registry
        )
        self.instances = Gauge(
            "syneudp_agent_instances", "Instances that are not terminated.", ("engine",), registry=self.registry
        )
        self.failing = Gauge(
            "syneudp_agent_failing",
            "Instances whose accepted state could not be brought about and is tried again.",
            ("engine",),
            registry=self.registry,
        )
        self.spares = Gauge("syneudp_agent_spares", "Spares ready to be claimed.", ("engine",), registry=self.registry)
        self.creations = Counter(
            "syneudp_agent_creations",
            "Instances created, out of a spare or made while the call waited.",
            ("engine", "from_spare"),
            registry=self.registry,
        )
