SELECT 'payment_credited_once' AS rule, p.id::text AS row,
    format('%s told, %s credited', p.amount_micros, coalesce(e.amount_micros, 0)) AS detail
FROM top_ups p
JOIN wallets w ON w.id = p.wallet_id
LEFT JOIN transfers t ON t.id = p.transfer_id AND t.reason = 'top_up'
LEFT JOIN entries e ON e.transfer_id = t.id AND e.account_id = w.account_id
WHERE t.subject_id IS DISTINCT FROM p.id
    OR (e.amount_micros IS DISTINCT FROM p.amount_micros AND t.created_at >= (SELECT ledger_cut_at()))
UNION ALL
SELECT 'payment_credited_once', format('%s %s', p.provider, p.payment_id), format('%s times', count(*))
FROM top_ups p
GROUP BY p.provider, p.payment_id
HAVING count(*) > 1
UNION ALL
SELECT 'credit_has_its_payment', t.id::text, t.idempotency_key
FROM transfers t
LEFT JOIN top_ups p ON p.transfer_id = t.id
WHERE t.reason = 'top_up' AND p.id IS NULL
UNION ALL
SELECT 'wallet_has_its_account', w.id::text, 'its account is of another kind, shard or currency'
FROM wallets w
LEFT JOIN accounts a ON a.id = w.account_id
WHERE a.id IS NULL OR a.kind <> 'wallet' OR a.shard <> w.shard OR a.currency <> w.currency
UNION ALL
SELECT 'account_has_its_wallet', a.id::text, 'a wallet account that no wallet has'
FROM accounts a
LEFT JOIN wallets w ON w.account_id = a.id
WHERE a.kind = 'wallet' AND w.id IS NULL
UNION ALL
SELECT 'clearing_moves_for_payments', t.id::text, format('%s moves what a provider holds', t.reason)
FROM accounts a
JOIN entries e ON e.account_id = a.id
JOIN transfers t ON t.id = e.transfer_id
WHERE a.kind = 'clearing'
    AND t.reason IN ('credit', 'adjustment', 'debt_payment', 'usage_hour', 'usage_rest', 'usage_depleted', 'usage_capped')
UNION ALL
SELECT 'credited_is_captured_less_refunded', format('shard %s %s in %s', a.shard, a.provider, a.currency),
    format('%s captured and %s refunded, %s held', c.captured_micros, r.refunded_micros, -(a.balance_micros - coalesce(b.balance_micros, 0)))
FROM accounts a
LEFT JOIN cut_bases b ON b.account_id = a.id
LEFT JOIN (
    SELECT w.shard, w.currency, p.provider, sum(p.amount_micros) AS amount_micros
    FROM top_ups p
    JOIN wallets w ON w.id = p.wallet_id
    JOIN transfers t ON t.id = p.transfer_id AND t.created_at >= (SELECT ledger_cut_at())
    GROUP BY w.shard, w.currency, p.provider
) p ON p.shard = a.shard AND p.currency = a.currency AND p.provider = a.provider
CROSS JOIN LATERAL (SELECT coalesce(p.amount_micros, 0) AS captured_micros) c
CROSS JOIN LATERAL (
    SELECT coalesce(sum(e.amount_micros), 0) AS refunded_micros
    FROM entries e
    JOIN transfers t ON t.id = e.transfer_id AND t.reason <> 'top_up'
    WHERE e.account_id = a.id
) r
WHERE a.kind = 'clearing' AND c.captured_micros - r.refunded_micros <> -(a.balance_micros - coalesce(b.balance_micros, 0))
