from tests.engines.agent.postgresql.tenants import admin, admin_url, driver, new_tenant, tenant

__all__ = ["admin", "admin_url", "driver", "new_tenant", "tenant"]
