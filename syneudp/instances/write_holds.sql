WITH told AS MATERIALIZED (
    SELECT *
    FROM unnest(
        $1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::boolean[], $6::uuid[], $10::bigint[]
    ) AS told (id, generation, state_generation, now, sends, event_id, since_at)
), changed AS (
    UPDATE instances i
    SET generation = told.generation,
        state_generation = told.state_generation,
        last_event_at = greatest(i.last_event_at, told.now)
    FROM told
    WHERE i.id = told.id
), held AS (
    INSERT INTO instance_holds (instance_id, hold, since_at)
    SELECT told.id, $7, told.since_at FROM told
), noted AS (
    INSERT INTO instance_events (id, instance_id, kind, actor, generation, happened_at, detail)
    SELECT told.event_id, told.id, $8, $9, told.generation, told.now, '' FROM told
)
INSERT INTO instance_outbox (instance_id, due_at)
SELECT told.id, told.now FROM told WHERE told.sends ORDER BY told.id
ON CONFLICT (instance_id) DO UPDATE
SET due_at = excluded.due_at, attempts = 0, lease_id = NULL, leased_until = NULL
