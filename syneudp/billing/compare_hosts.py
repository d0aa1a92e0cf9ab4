"""Look at every host in turn and compare, both ways, what is wanted with what is there."""

from syneudp import catalog, instances
from syneudp.catalog import HostState
from syneudp.engines.client import AgentError
from syneudp.instances import InstanceServices
from syneudp.kernel.database import reading
from syneudp.kernel.logging import log


async def compare_hosts(services: InstanceServices, *, quarantined_only: bool = False) -> None:
    """Compare each host that is not closed, or each in quarantine; one that does not answer is told and passed over."""
    for host in await catalog.hosts(reading()):
        if host.state is HostState.CLOSED or (quarantined_only and host.state is not HostState.QUARANTINED):
            continue
        try:
            found = await instances.compare_host(services, host)
        except AgentError as failure:
            log.warning("host_not_compared", host=host.name, failure=str(failure))
            continue
        log.info(
            "host_compared",
            host=host.name,
            compared=found.compared,
            sent_again=found.sent_again,
            missing=found.missing,
            unknown=found.unknown,
        )
