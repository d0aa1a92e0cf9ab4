SELECT DISTINCT kept.database_name, kept.username
FROM pg_shdepend AS dependence
JOIN pg_database AS found ON found.oid = dependence.dbid
JOIN pg_roles AS role ON role.oid = dependence.refobjid
JOIN registry.instances AS kept ON kept.database_name = found.datname
WHERE dependence.refclassid = 'pg_authid'::regclass AND role.rolname = $1
ORDER BY 1
