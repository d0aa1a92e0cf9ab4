UPDATE syneudpagent.databases
SET
    state = %(state)s,
    made = %(made)s,
    accepted_generation = %(accepted_generation)s,
    applied_generation = %(applied_generation)s,
    credential_version = %(credential_version)s,
    applied_credential_version = %(applied_credential_version)s,
    verifier = %(verifier)s,
    max_connections = %(max_connections)s,
    temp_bytes = %(temp_bytes)s,
    statement_seconds = %(statement_seconds)s,
    idle_transaction_seconds = %(idle_transaction_seconds)s,
    memory_bytes = %(memory_bytes)s,
    may_grow = %(may_grow)s,
    previous_until = %(previous_until)s,
    changed_at = CURRENT_TIMESTAMP(6)
WHERE
    instance_id = %(instance_id)s
    AND database_name = %(database_name)s
    AND accepted_generation <= %(accepted_generation)s
    AND applied_generation <= %(applied_generation)s
