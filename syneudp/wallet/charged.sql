SELECT
    o.resource_id,
    sum(
        (o.price_micros_per_hour * (o.end_at - o.from_at) + o.carry + coalesce(risen.by_end, 0)) / 3600
        - (o.price_micros_per_hour * (o.begin_at - o.from_at) + o.carry + coalesce(risen.by_begin, 0)) / 3600
    )::bigint AS charge_micros
FROM (
    SELECT
        s.resource_id,
        s.price_micros_per_hour,
        s.carry,
        s.from_at,
        s.until_at IS NULL AS is_open,
        s.tariff_id,
        s.running,
        greatest(s.from_at, $2::bigint) AS begin_at,
        least($3::bigint, coalesce(s.until_at, d.depletes_at)) AS end_at
    FROM usage_segments s
    LEFT JOIN wallet_depletions d ON d.wallet_id = s.wallet_id
    WHERE s.resource_id = ANY ($1::uuid[])
) o
LEFT JOIN LATERAL (
    SELECT
        sum(b.rise * greatest(o.end_at - b.begins_at, 0))::bigint AS by_end,
        sum(b.rise * greatest(o.begin_at - b.begins_at, 0))::bigint AS by_begin
    FROM (
        SELECT
            c.begins_at,
            c.price_micros_per_hour - lag(c.price_micros_per_hour, 1, o.price_micros_per_hour)
                OVER (ORDER BY c.begins_at) AS rise
        FROM usage_changes(o.tariff_id, o.resource_id, o.running, o.from_at) c
    ) b
) risen ON o.is_open
WHERE o.begin_at < o.end_at
GROUP BY o.resource_id
