UPDATE registry.instances AS taken
SET
    instance_id = $1,
    state = $2,
    accepted_generation = $3,
    applied_generation = $3,
    credential_version = $4,
    applied_credential_version = $4,
    verifier = $5,
    max_connections = $6,
    temp_bytes = $7,
    statement_seconds = $8,
    idle_transaction_seconds = $9,
    memory_bytes = $10,
    may_grow = $11,
    changed_at = clock_timestamp()
WHERE taken.instance_id IS NULL
    AND taken.database_name = (
        SELECT spare.database_name
        FROM registry.instances AS spare
        JOIN pg_database AS found ON found.datname = spare.database_name AND found.datconnlimit <> -2
        WHERE spare.instance_id IS NULL AND spare.made AND spare.shape = $12
        ORDER BY spare.changed_at
        LIMIT 1
        FOR UPDATE OF spare SKIP LOCKED
    )
RETURNING
    taken.database_name,
    taken.username,
    ARRAY(
        SELECT unnest(settings.setconfig)
        FROM pg_db_role_setting AS settings
        WHERE settings.setdatabase = 0
            AND settings.setrole = (SELECT role.oid FROM pg_roles AS role WHERE role.rolname = taken.username)
    ) AS settings
