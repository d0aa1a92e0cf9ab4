SELECT
    t.id,
    e.sequence,
    t.reason,
    e.amount_micros,
    e.balance_after_micros,
    t.effective_at,
    t.created_at,
    t.subject_id
FROM wallets w
JOIN entries e ON e.account_id = w.account_id
JOIN transfers t ON t.id = e.transfer_id
WHERE w.id = $1 AND ($2::bigint IS NULL OR e.sequence < $2)
ORDER BY e.sequence DESC
LIMIT $3
