WITH old AS (
    DELETE FROM usage_minutes
    WHERE ctid = ANY(ARRAY(SELECT ctid FROM usage_minutes WHERE minute_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))
    RETURNING instance_id, minute_at, storage_bytes, connections, transactions
),

merged AS (
    INSERT INTO usage_hours AS kept (
        instance_id, hour_at, samples, storage_bytes_sum, storage_bytes_max, connections_sum, connections_max,
        transactions
    )
    SELECT
        instance_id,
        minute_at / 3600 * 3600 AS hour_at,
        count(*),
        sum(storage_bytes),
        max(storage_bytes),
        sum(connections),
        max(connections),
        sum(transactions)::bigint
    FROM old
    GROUP BY instance_id, minute_at / 3600
    ORDER BY instance_id, hour_at
    ON CONFLICT (instance_id, hour_at) DO UPDATE SET
        samples = kept.samples + excluded.samples,
        storage_bytes_sum = kept.storage_bytes_sum + excluded.storage_bytes_sum,
        storage_bytes_max = greatest(kept.storage_bytes_max, excluded.storage_bytes_max),
        connections_sum = kept.connections_sum + excluded.connections_sum,
        connections_max = greatest(kept.connections_max, excluded.connections_max),
        transactions = kept.transactions + excluded.transactions
)

SELECT count(*) FROM old
