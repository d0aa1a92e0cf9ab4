WITH applied AS (
    UPDATE instances
    SET
        applied_generation = $2,
        observed_state = $3,
        applied_credential_version = $4,
        ready_at = $5,
        endpoint_host = $6,
        endpoint_port = $7,
        endpoint_tls = $8,
        database_name = $9,
        username = $10,
        placed = $11,
        last_event_at = greatest(last_event_at, $12)
    WHERE id = $1
), destroyed AS (
    DELETE FROM instance_credentials
    WHERE instance_id = $1 AND (version <> $4 OR $3 = 'terminated')
    RETURNING version
), confirmed AS (
    UPDATE instance_credentials
    SET confirmed = true
    WHERE instance_id = $1 AND version = $4 AND NOT confirmed AND $3 <> 'terminated'
        AND (SELECT count(*) FROM destroyed) >= 0
), told AS (
    INSERT INTO instance_events (id, instance_id, kind, actor, generation, happened_at, detail)
    SELECT event.id, $1, event.kind, 'platform', $13, $12, event.detail
    FROM unnest($14::uuid[], $15::text[], $16::text[]) AS event (id, kind, detail)
)
DELETE FROM instance_outbox WHERE instance_id = $1 AND $17
