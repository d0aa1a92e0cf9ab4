WITH pieces AS (
    SELECT
        minute_at AS at,
        1 AS samples,
        storage_bytes::numeric AS storage_bytes_sum,
        storage_bytes AS storage_bytes_max,
        connections::bigint AS connections_sum,
        connections AS connections_max,
        transactions
    FROM usage_minutes
    WHERE instance_id = $1 AND minute_at >= $2 AND minute_at < $3
    UNION ALL
    SELECT hour_at, samples, storage_bytes_sum, storage_bytes_max, connections_sum, connections_max, transactions
    FROM usage_hours
    WHERE instance_id = $1 AND hour_at >= $2 AND hour_at < $3
)

SELECT
    at / $4::bigint * $4::bigint AS at,
    (sum(storage_bytes_sum) / sum(samples))::bigint AS storage_bytes,
    max(storage_bytes_max) AS storage_bytes_max,
    round(sum(connections_sum)::numeric / sum(samples), 2)::float8 AS connections,
    max(connections_max) AS connections_max,
    sum(transactions)::bigint AS transactions
FROM pieces
GROUP BY at / $4::bigint
ORDER BY at
