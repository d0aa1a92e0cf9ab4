SELECT 'debt_has_its_wallet' AS rule, a.id::text AS row, 'a debt account of another kind, shard or currency, or of no wallet' AS detail
FROM accounts a
FULL JOIN wallet_debts d ON d.account_id = a.id
LEFT JOIN wallets w ON w.id = d.wallet_id
WHERE (a.kind = 'debt' OR d.wallet_id IS NOT NULL)
    AND (a.kind = 'debt' AND a.shard = w.shard AND a.currency = w.currency) IS NOT TRUE
UNION ALL
SELECT 'indebted_wallet_is_frozen', d.wallet_id::text,
    format('owes %s, has %s and runs %s', -a.balance_micros, p.balance_micros, count(s.resource_id))
FROM wallet_debts d
JOIN accounts a ON a.id = d.account_id AND a.balance_micros < 0
JOIN wallets w ON w.id = d.wallet_id
JOIN accounts p ON p.id = w.account_id
LEFT JOIN usage_segments s ON s.wallet_id = d.wallet_id AND s.until_at IS NULL
GROUP BY d.wallet_id, a.balance_micros, p.balance_micros
HAVING count(s.resource_id) > 0 OR p.balance_micros > 0
UNION ALL
SELECT 'debt_payment_follows_money', t.id::text, t.idempotency_key
FROM transfers t
WHERE t.reason = 'debt_payment'
    AND NOT EXISTS (SELECT FROM transfers b WHERE b.id = t.subject_id AND t.idempotency_key = 'debt:' || b.id)
