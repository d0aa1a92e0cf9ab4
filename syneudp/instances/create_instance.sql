WITH made AS (
    INSERT INTO instances (
        id, owner_id, wallet_id, name, engine, plan_id, plan_slug, max_connections, temp_bytes, storage_limit_bytes,
        statement_seconds, idle_transaction_seconds, memory_bytes, host_id, created_at, last_event_at
    )
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15)
    RETURNING *
), sealed AS (
    INSERT INTO instance_credentials (instance_id, version, sealed, created_at, keep_previous_seconds)
    SELECT made.id, made.credential_version, $16, made.created_at, 0 FROM made
), told AS (
    INSERT INTO instance_events (id, instance_id, kind, actor, generation, happened_at, detail)
    SELECT $17, made.id, 'created', 'owner', made.generation, made.created_at, made.plan_slug FROM made
), due AS (
    INSERT INTO instance_outbox (instance_id, due_at, attempts, lease_id, leased_until)
    SELECT made.id, $18, $19, $20, $21 FROM made
)
SELECT made.*, '{}'::text[] AS holds FROM made
