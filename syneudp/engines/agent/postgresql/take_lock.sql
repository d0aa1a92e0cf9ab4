SELECT
    instance_id, database_name, username, state, made, accepted_generation, applied_generation,
    credential_version, applied_credential_version, verifier, max_connections, temp_bytes,
    statement_seconds, idle_transaction_seconds, memory_bytes, may_grow
FROM registry.take_lock($1)
