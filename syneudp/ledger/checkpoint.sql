WITH last AS (
    SELECT number, heads, cut_off_digest, digest
    FROM checkpoints
    ORDER BY number DESC
    LIMIT 1
), newest AS (
    SELECT
        array_agg(coalesce(head.number, 0) ORDER BY every.shard) AS heads,
        coalesce((SELECT c.digest FROM cut_offs c ORDER BY c.number DESC LIMIT 1), ledger_no_digest()) AS cut_off_digest
    FROM generate_series(0, 255) AS every (shard)
    LEFT JOIN LATERAL (
        SELECT s.number FROM seals s WHERE s.shard = every.shard::smallint ORDER BY s.number DESC LIMIT 1
    ) head ON true
), following AS (
    SELECT
        coalesce(max(last.number), 0) + 1 AS number,
        coalesce((SELECT digest FROM last), ledger_no_digest()) AS previous_digest
    FROM last
)
INSERT INTO checkpoints (number, heads, cut_off_digest, previous_digest, digest, taken_at)
SELECT
    f.number,
    n.heads,
    n.cut_off_digest,
    f.previous_digest,
    ledger_checkpoint_digest(f.previous_digest, f.number, n.cut_off_digest, n.heads),
    $1
FROM newest n
CROSS JOIN following f
LEFT JOIN last ON true
WHERE (n.heads, n.cut_off_digest) IS DISTINCT FROM (last.heads, last.cut_off_digest) AND 0 < ANY (n.heads)
RETURNING number
