SELECT 'seal_chain_is_unbroken' AS rule, format('shard %s seal %s', s.shard, s.number) AS row,
    'it does not continue the seal before it' AS detail
FROM seals s
LEFT JOIN seals p ON p.shard = s.shard AND p.number = s.number - 1
WHERE s.number <> coalesce(p.number, 0) + 1
    OR s.after_ordinal <> coalesce(p.until_ordinal, 0)
    OR s.previous_digest <> coalesce(p.digest, ledger_no_digest())
UNION ALL
SELECT 'seal_is_unbroken', format('shard %s seal %s', s.shard, s.number),
    format(
        '%s transfers with %s entries after %s through %s sealed, %s and %s found',
        s.transfers, s.entries, s.after_ordinal, s.until_ordinal, c.transfers, c.entries
    )
FROM seals s
CROSS JOIN LATERAL ledger_contents(s.shard, s.after_ordinal, s.until_ordinal) c
WHERE s.digest <> ledger_seal_digest(s)
    OR c.transfers <> s.transfers
    OR c.headers_digest <> s.headers_digest
    OR c.until_ordinal <> s.until_ordinal
    OR (
        c.oldest_at >= (SELECT ledger_cut_at())
        AND (c.entries <> s.entries OR c.entries_digest <> s.entries_digest)
    )
UNION ALL
SELECT 'checkpoint_is_unbroken', format('checkpoint %s', k.number), 'it does not tie the seals it names to the one before it'
FROM checkpoints k
LEFT JOIN checkpoints p ON p.number = k.number - 1
WHERE k.number <> coalesce(p.number, 0) + 1
    OR k.previous_digest <> coalesce(p.digest, ledger_no_digest())
    OR k.digest IS DISTINCT FROM ledger_checkpoint_digest(k.previous_digest, k.number, k.cut_off_digest, k.heads)
    OR EXISTS (
        SELECT
        FROM unnest(k.heads) WITH ORDINALITY AS head (number, place)
        LEFT JOIN seals s ON s.shard = (head.place - 1)::smallint AND s.number = head.number
        WHERE head.number > 0 AND s.number IS NULL
    )
UNION ALL
SELECT 'cut_off_is_unbroken', format('cut-off %s', c.number), 'its balances or its place in the chain are not what was sealed'
FROM cut_offs c
LEFT JOIN cut_offs p ON p.number = c.number - 1
WHERE c.number <> coalesce(p.number, 0) + 1
    OR c.before_at <= p.before_at
    OR c.previous_digest <> coalesce(p.digest, ledger_no_digest())
    OR c.contents_digest <> ledger_cut_contents(c.number)
    OR c.digest IS DISTINCT FROM ledger_cut_digest(c)
UNION ALL
SELECT 'cut_off_is_tied', format('checkpoint %s', k.number), 'it ties another cut-off than the newest before it'
FROM checkpoints k
WHERE k.cut_off_digest <> coalesce((
    SELECT c.digest FROM cut_offs c WHERE c.checkpoint < k.number ORDER BY c.number DESC LIMIT 1
), ledger_no_digest())
