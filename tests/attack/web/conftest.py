from tests.web.conftest import admin_url, agent_url, app, customer, newcomer, services, silent_agents, stand

__all__ = ["admin_url", "agent_url", "app", "customer", "newcomer", "services", "silent_agents", "stand"]
