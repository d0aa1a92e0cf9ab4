UPDATE hosts
SET placed_instances = placed_instances + 1, placed_bytes = placed_bytes + $2
WHERE id = (
    SELECT h.id
    FROM hosts h
    CROSS JOIN (SELECT coalesce($3::bigint, floor(extract(epoch FROM clock_timestamp()))::bigint) AS now) clock
    CROSS JOIN LATERAL (
        SELECT h.unreachable_since IS NULL OR h.unreachable_since > clock.now - $4 OR h.asked_at < clock.now - $5 AS answers
    ) seen
    WHERE h.engine = $1
        AND h.state = 'open'
        AND h.placed_instances < h.capacity_instances
        AND (h.capacity_bytes IS NULL OR h.placed_bytes + $2 <= h.capacity_bytes)
        AND (seen.answers OR $6::uuid IS NULL)
        AND h.id IS DISTINCT FROM $6
    ORDER BY
        seen.answers DESC,
        greatest(
            h.placed_instances::numeric / h.capacity_instances,
            coalesce(h.placed_bytes::numeric / h.capacity_bytes, 0)
        ),
        h.id
    LIMIT 1
    FOR NO KEY UPDATE OF h
)
RETURNING id, name, engine, agent_url, state, capacity_instances, capacity_bytes, placed_instances, placed_bytes,
    engine_version, asked_at, unreachable_since
