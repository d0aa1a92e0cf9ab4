SELECT
    found.reason,
    role.rolname::text AS username,
    pg_terminate_backend(found.pid) AS signalled
FROM (
    SELECT DISTINCT wanted.pid, 'shared_catalog_locked' AS reason
    FROM pg_locks AS wanted
    WHERE wanted.locktype = 'relation'
        AND wanted.database = 0
        AND wanted.mode NOT IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock')
    UNION ALL
    SELECT activity.pid, 'previous_password' AS reason
    FROM pg_stat_get_activity(NULL) AS activity
    JOIN pg_roles AS connected ON connected.oid = activity.usesysid
    JOIN registry.rotations AS rotation ON rotation.username = connected.rolname
    WHERE activity.backend_start < rotation.changed_at
) AS found
JOIN pg_stat_get_activity(NULL) AS activity ON activity.pid = found.pid
JOIN pg_roles AS role ON role.oid = activity.usesysid
WHERE role.rolname ~ '^u[a-z2-7]{20}$'
