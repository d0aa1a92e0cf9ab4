SELECT activity.pid, activity.backend_start
FROM pg_stat_get_activity(NULL) AS activity
JOIN pg_roles AS role ON role.oid = activity.usesysid
WHERE role.rolname ~ '^u[a-z2-7]{20}$'
    AND activity.state = 'active'
    AND activity.wait_event_type = 'Client'
    AND EXISTS (
        SELECT
        FROM pg_stat_get_activity(NULL) AS waiting
        JOIN pg_roles AS waiter ON waiter.oid = waiting.usesysid
        WHERE waiter.rolname = current_user AND waiting.wait_event = 'ProcSignalBarrier'
    )
