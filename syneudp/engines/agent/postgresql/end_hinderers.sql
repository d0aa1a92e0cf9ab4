SELECT
    activity.pid,
    role.rolname::text AS username,
    pg_terminate_backend(activity.pid) AS signalled
FROM pg_stat_activity AS activity
JOIN pg_roles AS role ON role.oid = activity.usesysid
WHERE NOT role.rolsuper
    AND role.rolname <> current_user
    AND (
        ((activity.usename = $1 OR activity.datname = $2) AND activity.backend_xid IS NOT NULL)
        OR activity.pid IN (
            SELECT held.pid
            FROM pg_locks AS held
            WHERE held.locktype = 'object'
                AND (
                    (held.classid = 'pg_authid'::regclass AND held.objid = (SELECT oid FROM pg_roles WHERE rolname = $1))
                    OR (
                        held.classid = 'pg_database'::regclass
                        AND held.objid = (SELECT oid FROM pg_database WHERE datname = $2)
                    )
                )
        )
    )
