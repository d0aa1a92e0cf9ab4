WITH told AS (
    SELECT told.instance_id, told.storage_bytes, told.connections, told.counted
    FROM unnest($2::uuid[], $3::bigint[], $4::integer[], $5::bigint[])
        AS told (instance_id, storage_bytes, connections, counted)
    JOIN instances AS i ON i.id = told.instance_id
    WHERE i.host_id = $1 AND i.terminated_for IS NULL
    ORDER BY told.instance_id
),

counted AS (
    INSERT INTO usage_counts AS kept (instance_id, minute_at, transactions_counted, transactions)
    SELECT instance_id, $6::bigint, counted, 0 FROM told
    ON CONFLICT (instance_id) DO UPDATE SET
        minute_at = excluded.minute_at,
        transactions_counted = excluded.transactions_counted,
        transactions = CASE
            WHEN excluded.transactions_counted < kept.transactions_counted THEN excluded.transactions_counted
            ELSE excluded.transactions_counted - kept.transactions_counted
        END
    WHERE kept.minute_at < excluded.minute_at
    RETURNING kept.instance_id, kept.transactions
),

sized AS (
    UPDATE instances SET storage_bytes = told.storage_bytes, storage_measured = true
    FROM told
    WHERE instances.id = told.instance_id
        AND (instances.storage_bytes <> told.storage_bytes OR NOT instances.storage_measured)
)

INSERT INTO usage_minutes (instance_id, minute_at, storage_bytes, connections, transactions)
SELECT told.instance_id, $6::bigint, told.storage_bytes, told.connections, counted.transactions
FROM told
JOIN counted ON counted.instance_id = told.instance_id
ON CONFLICT (instance_id, minute_at) DO NOTHING
