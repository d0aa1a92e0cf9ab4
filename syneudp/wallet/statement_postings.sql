SELECT
    t.id,
    t.reason,
    e.amount_micros,
    e.created_at,
    t.effective_at,
    t.subject_id,
    r.id AS corrects_id,
    r.reason AS corrects_reason,
    r.effective_at AS corrects_effective_at,
    r.subject_id AS corrects_subject_id
FROM wallets w
JOIN entries e ON e.account_id = w.account_id
JOIN transfers t ON t.id = e.transfer_id
LEFT JOIN transfers r ON r.id = t.reverses_id
WHERE w.id = $1 AND e.created_at >= $2 AND e.created_at < $3 AND t.reason <> ALL ($4::text[])
ORDER BY e.sequence
