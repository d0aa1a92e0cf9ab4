SELECT DISTINCT
    granted.object,
    quote_ident(grantee.rolname) AS grantee
FROM (
    SELECT 'DATABASE ' || quote_ident(found.datname) AS object, found.datdba AS owner, acl.grantee
    FROM pg_database AS found, aclexplode(found.datacl) AS acl
    WHERE found.datname = current_database()
    UNION ALL
    SELECT 'SCHEMA public' AS object, within.nspowner AS owner, acl.grantee
    FROM pg_namespace AS within, aclexplode(within.nspacl) AS acl
    WHERE within.nspname = 'public'
) AS granted
JOIN pg_roles AS grantee ON grantee.oid = granted.grantee
WHERE granted.grantee <> granted.owner AND grantee.rolname <> $1
