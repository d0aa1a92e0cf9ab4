WITH ran AS (
    SELECT
        s.resource_id,
        s.from_at,
        s.price_micros_per_hour,
        s.carry,
        greatest(s.from_at, $2::bigint) AS begin_at,
        least($3::bigint, coalesce(s.until_at, greatest(s.from_at, coalesce(q.hour, h.closed_through) * 3600))) AS end_at
    FROM usage_segments s
    JOIN shards h ON h.shard = s.shard
    LEFT JOIN wallet_quarantines q ON q.wallet_id = s.wallet_id
    WHERE s.wallet_id = $1 AND s.from_at < $3 AND (s.until_at IS NULL OR s.until_at > $2)
), days AS (
    SELECT
        r.*,
        day * 86400 AS day_at,
        greatest(r.begin_at, day * 86400) AS day_begin_at,
        least(r.end_at, (day + 1) * 86400) AS day_end_at
    FROM ran r
    CROSS JOIN LATERAL generate_series(r.begin_at / 86400, (r.end_at - 1) / 86400) AS day
    WHERE r.begin_at < r.end_at
)
SELECT
    d.resource_id,
    d.day_at,
    sum(d.day_end_at - d.day_begin_at)::bigint AS seconds,
    sum(
        (d.price_micros_per_hour * (d.day_end_at - d.from_at) + d.carry) / 3600
        - (d.price_micros_per_hour * (d.day_begin_at - d.from_at) + d.carry) / 3600
    )::bigint AS charge_micros
FROM days d
GROUP BY d.day_at, d.resource_id
ORDER BY d.day_at, d.resource_id
