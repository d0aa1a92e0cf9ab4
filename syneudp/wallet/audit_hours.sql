WITH details AS (
    SELECT
        c.shard,
        c.hour,
        count(*) FILTER (WHERE a.kind = 'wallet') AS wallets,
        coalesce(-sum(e.amount_micros) FILTER (WHERE a.kind = 'wallet'), 0) AS charge_micros,
        bool_and(a.kind IN ('wallet', 'revenue')) AS usage_alone
    FROM hour_closes c
    JOIN entries e ON e.transfer_id = c.transfer_id
    JOIN accounts a ON a.id = e.account_id
    GROUP BY c.shard, c.hour
)
SELECT 'hours_closed_once_in_order' AS rule, format('shard %s', s.shard) AS row,
    format('closed from %s through %s with %s run rows', s.first_hour, s.closed_through, count(c.hour)) AS detail
FROM shards s
LEFT JOIN hour_closes c ON c.shard = s.shard
GROUP BY s.shard, s.first_hour, s.closed_through
HAVING count(c.hour) <> s.closed_through - s.first_hour
    OR min(c.hour) <> s.first_hour
    OR max(c.hour) <> s.closed_through - 1
UNION ALL
SELECT 'hour_totals_are_their_details', format('shard %s hour %s', c.shard, c.hour),
    format('%s charged in the run row, %s to %s wallets in the books', c.charge_micros, coalesce(d.charge_micros, 0), coalesce(d.wallets, 0))
FROM hour_closes c
LEFT JOIN details d ON d.shard = c.shard AND d.hour = c.hour
LEFT JOIN transfers t ON t.id = c.transfer_id
WHERE (
        c.charge_micros <> coalesce(d.charge_micros, 0)
        AND (c.transfer_id IS NULL OR t.id IS NULL OR t.created_at >= (SELECT ledger_cut_at()))
    )
    OR c.wallets < coalesce(d.wallets, 0)
    OR c.segments < c.wallets
    OR c.seconds > c.segments::bigint * 3600
    OR d.usage_alone IS FALSE
UNION ALL
SELECT 'hour_transfer_has_its_run_row', t.id::text, t.idempotency_key
FROM transfers t
LEFT JOIN hour_closes c ON c.transfer_id = t.id
WHERE t.reason = 'usage_hour' AND (c.shard IS NULL OR t.idempotency_key <> format('hour:%s:%s', c.shard, c.hour))
