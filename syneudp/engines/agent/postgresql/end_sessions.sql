SELECT
    activity.pid,
    activity.backend_start,
    pg_terminate_backend(activity.pid) AS signalled
FROM pg_stat_get_activity(NULL) AS activity
JOIN pg_roles AS role ON role.oid = activity.usesysid
WHERE (role.rolname = $1 OR activity.datid = (SELECT found.oid FROM pg_database AS found WHERE found.datname = $2))
    AND NOT role.rolsuper
    AND role.rolname <> current_user
    AND ($3::timestamptz IS NULL OR activity.backend_start < $3)
