INSERT INTO registry.instances AS held (
    instance_id, database_name, username, state, made, accepted_generation, applied_generation,
    credential_version, applied_credential_version, verifier, max_connections, temp_bytes,
    statement_seconds, idle_transaction_seconds, memory_bytes, may_grow
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
ON CONFLICT (instance_id) DO UPDATE SET
    state = excluded.state,
    made = excluded.made,
    accepted_generation = excluded.accepted_generation,
    applied_generation = excluded.applied_generation,
    credential_version = excluded.credential_version,
    applied_credential_version = excluded.applied_credential_version,
    verifier = excluded.verifier,
    max_connections = excluded.max_connections,
    temp_bytes = excluded.temp_bytes,
    statement_seconds = excluded.statement_seconds,
    idle_transaction_seconds = excluded.idle_transaction_seconds,
    memory_bytes = excluded.memory_bytes,
    may_grow = excluded.may_grow,
    changed_at = clock_timestamp()
WHERE held.accepted_generation <= excluded.accepted_generation
    AND held.applied_generation <= excluded.applied_generation
    AND held.database_name = excluded.database_name
RETURNING true
