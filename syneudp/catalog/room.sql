SELECT count(*) AS hosts
FROM hosts
CROSS JOIN (SELECT coalesce($3::bigint, floor(extract(epoch FROM clock_timestamp()))::bigint) AS now) clock
WHERE engine = $1
    AND state = 'open'
    AND placed_instances < capacity_instances
    AND (capacity_bytes IS NULL OR placed_bytes + $2 <= capacity_bytes)
    AND (
        $6::uuid IS NULL
        OR id <> $6 AND (unreachable_since IS NULL OR unreachable_since > clock.now - $4 OR asked_at < clock.now - $5)
    )
