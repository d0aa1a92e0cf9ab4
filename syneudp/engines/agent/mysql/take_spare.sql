UPDATE syneudpagent.databases
SET
    instance_id = %(instance_id)s,
    state = %(state)s,
    accepted_generation = %(accepted_generation)s,
    credential_version = %(credential_version)s,
    verifier = %(verifier)s,
    max_connections = %(max_connections)s,
    temp_bytes = %(temp_bytes)s,
    statement_seconds = %(statement_seconds)s,
    idle_transaction_seconds = %(idle_transaction_seconds)s,
    memory_bytes = %(memory_bytes)s
WHERE database_name = %(database_name)s AND instance_id IS NULL AND made = 1 AND shape = %(shape)s
