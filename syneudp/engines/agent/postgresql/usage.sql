WITH connected AS (
    SELECT datname, count(*) AS sessions
    FROM pg_stat_activity
    WHERE usesysid IS NOT NULL AND usename <> current_user
    GROUP BY datname
)

SELECT
    kept.instance_id,
    kept.database_name,
    coalesce(pg_database_size(found.oid), 0) AS storage_bytes,
    coalesce(connected.sessions, 0) AS sessions,
    coalesce(counted.xact_commit + counted.xact_rollback, 0) AS transactions
FROM registry.instances AS kept
LEFT JOIN pg_database AS found ON found.datname = kept.database_name
LEFT JOIN pg_stat_database AS counted ON counted.datid = found.oid
LEFT JOIN connected ON connected.datname = kept.database_name
WHERE kept.state IN ('running', 'suspended')
ORDER BY kept.instance_id
