WITH written AS (
    SELECT
        e.transfer_id,
        count(*) AS legs,
        min(e.leg) AS first_leg,
        max(e.leg) AS last_leg,
        bool_and(e.created_at = t.created_at) AS dated_alike,
        bool_and(a.shard = t.shard) AS in_one_shard,
        sha256(convert_to(
            t.reason || string_agg('|' || e.account_id || ':' || e.amount_micros, '' ORDER BY e.leg), 'UTF8'
        )) AS digest
    FROM entries e
    JOIN transfers t ON t.id = e.transfer_id
    LEFT JOIN accounts a ON a.id = e.account_id
    GROUP BY e.transfer_id, t.reason
)
SELECT 'transfer_has_its_entries' AS rule, t.id::text AS row,
    format('%s entries told, %s written', t.entry_count, coalesce(w.legs, 0)) AS detail
FROM transfers t
LEFT JOIN written w ON w.transfer_id = t.id
WHERE (w.transfer_id IS NULL AND t.created_at >= (SELECT ledger_cut_at()))
    OR w.legs <> t.entry_count OR w.first_leg <> 0 OR w.last_leg <> w.legs - 1
    OR NOT w.dated_alike OR NOT w.in_one_shard
    OR (w.transfer_id IS NOT NULL AND w.in_one_shard IS NULL)
UNION ALL
SELECT 'transfer_is_what_was_told', t.id::text, 'its entries differ from its digest'
FROM transfers t
JOIN written w ON w.transfer_id = t.id
WHERE w.digest <> t.digest
UNION ALL
SELECT 'transfer_sums_to_zero', e.transfer_id::text, format('%s in %s', sum(e.amount_micros), a.currency)
FROM entries e
LEFT JOIN accounts a ON a.id = e.account_id
GROUP BY e.transfer_id, a.currency
HAVING sum(e.amount_micros) <> 0
UNION ALL
SELECT DISTINCT 'entry_has_its_transfer', e.transfer_id::text, 'entries without a transfer'
FROM entries e
WHERE NOT EXISTS (SELECT FROM transfers t WHERE t.id = e.transfer_id)
UNION ALL
SELECT 'books_sum_to_zero', a.currency, sum(a.balance_micros)::text
FROM accounts a
GROUP BY a.currency
HAVING sum(a.balance_micros) <> 0
