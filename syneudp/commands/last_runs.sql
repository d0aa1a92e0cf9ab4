SELECT
    c.hour,
    count(*)::bigint AS shards,
    sum(c.wallets)::bigint AS wallets,
    sum(c.segments)::bigint AS segments,
    sum(c.charge_micros)::bigint AS charge_micros,
    min(c.closed_at) AS begun_at,
    max(c.closed_at) AS closed_at
FROM shards s
JOIN hour_closes c ON c.shard = s.shard
    AND c.hour > (SELECT max(closed_through) FROM shards) - 1 - $1::bigint
GROUP BY c.hour
ORDER BY c.hour DESC
