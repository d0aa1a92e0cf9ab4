SELECT
    ARRAY(
        SELECT granted.privilege_type || CASE WHEN granted.is_grantable THEN '*' ELSE '' END
        FROM aclexplode(within.nspacl) AS granted
        JOIN pg_roles AS tenant ON tenant.oid = granted.grantee
        WHERE tenant.rolname = $1
    ) AS tenant_privileges,
    EXISTS (
        SELECT
        FROM aclexplode(within.nspacl) AS granted
        LEFT JOIN pg_roles AS grantee ON grantee.oid = granted.grantee
        WHERE grantee.rolname IS NULL OR grantee.rolname NOT IN ($1, 'pg_database_owner')
    ) AS open_to_others
FROM pg_namespace AS within
WHERE within.nspname = 'public'
