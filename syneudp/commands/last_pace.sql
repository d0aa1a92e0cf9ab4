SELECT
    count(c.hour)::bigint AS closes,
    coalesce(sum(c.segments), 0)::bigint AS segments,
    coalesce($1::bigint + 1 - min(c.closed_at), 1)::bigint AS seconds
FROM shards s
JOIN LATERAL (
    SELECT each.hour, each.segments, each.closed_at
    FROM hour_closes each
    WHERE each.shard = s.shard
    ORDER BY each.hour DESC
    LIMIT 48
) c ON c.closed_at > $1 - $2::bigint
