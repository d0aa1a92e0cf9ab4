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
), ended AS (
    SELECT c.shard, c.hour, count(*) AS depletions
    FROM transfers t
    JOIN hour_closes c ON c.shard = t.shard AND c.hour = t.effective_at / 3600
    LEFT JOIN transfers closing ON closing.id = c.transfer_id
    WHERE t.reason IN ('usage_depleted', 'usage_capped') AND (closing.id IS NULL OR t.ordinal < closing.ordinal)
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
    format('%s charged and %s ends in the run row, %s to %s wallets and %s in the books', c.charge_micros, c.depletions,
        coalesce(d.charge_micros, 0), coalesce(d.wallets, 0), coalesce(n.depletions, 0))
FROM hour_closes c
LEFT JOIN ended n ON n.shard = c.shard AND n.hour = c.hour
LEFT JOIN details d ON d.shard = c.shard AND d.hour = c.hour
LEFT JOIN transfers t ON t.id = c.transfer_id
WHERE (
        c.charge_micros <> coalesce(d.charge_micros, 0)
        AND (c.transfer_id IS NULL OR t.id IS NULL OR t.created_at >= (SELECT ledger_cut_at()))
    )
    OR c.depletions > coalesce(n.depletions, 0)
    OR (c.transfer_id IS NOT NULL AND c.depletions < coalesce(n.depletions, 0))
    OR c.wallets < coalesce(d.wallets, 0)
    OR c.segments < c.wallets
    OR c.seconds > c.segments::bigint * 3600
    OR d.usage_alone IS FALSE
UNION ALL
SELECT 'hour_transfer_has_its_run_row', t.id::text, t.idempotency_key
FROM transfers t
LEFT JOIN hour_closes c ON c.transfer_id = t.id
WHERE t.reason = 'usage_hour' AND (c.shard IS NULL OR t.idempotency_key <> format('hour:%s:%s', c.shard, c.hour))
