INSERT IGNORE INTO syneudpagent.databases (
    instance_id, database_name, username, state, made, accepted_generation, applied_generation,
    credential_version, applied_credential_version, verifier, max_connections, temp_bytes,
    statement_seconds, idle_transaction_seconds, memory_bytes, may_grow, previous_until
) VALUES (
    %(instance_id)s, %(database_name)s, %(username)s, %(state)s, %(made)s, %(accepted_generation)s,
    %(applied_generation)s, %(credential_version)s, %(applied_credential_version)s, %(verifier)s,
    %(max_connections)s, %(temp_bytes)s, %(statement_seconds)s, %(idle_transaction_seconds)s, %(memory_bytes)s,
    %(may_grow)s, %(previous_until)s
)
