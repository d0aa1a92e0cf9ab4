from tests.mysql_tenants import admin_url, driver, engine_server, new_tenant, root, tenant

__all__ = ["admin_url", "driver", "engine_server", "new_tenant", "root", "tenant"]
