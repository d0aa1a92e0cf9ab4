SELECT
    kept.max_connections,
    kept.temp_bytes,
    kept.statement_seconds,
    kept.idle_transaction_seconds,
    kept.memory_bytes,
    kept.may_grow,
    coalesce(everywhere.setconfig, '{}') AS everywhere,
    coalesce(inside.setconfig, '{}') AS inside,
    array_agg(kept.instance_id) AS instance_ids
FROM registry.instances AS kept
JOIN pg_roles AS tenant ON tenant.rolname = kept.username
JOIN pg_database AS found ON found.datname = kept.database_name
LEFT JOIN pg_db_role_setting AS everywhere ON everywhere.setrole = tenant.oid AND everywhere.setdatabase = 0
LEFT JOIN pg_db_role_setting AS inside ON inside.setrole = tenant.oid AND inside.setdatabase = found.oid
WHERE kept.state = 'running' AND kept.accepted_generation = kept.applied_generation
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
