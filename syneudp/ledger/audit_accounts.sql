WITH standing AS (
    SELECT account_id, sequence, transfer_id, leg, amount_micros, balance_after_micros
    FROM entries
    UNION ALL
    SELECT c.account_id, c.sequence, c.transfer_id, c.leg, c.amount_micros, c.balance_after_micros
    FROM cut_entries c
    JOIN cut_bases b ON b.account_id = c.account_id AND c.sequence > b.chain_sequence
), chain AS (
    SELECT
        e.account_id,
        e.sequence,
        e.balance_after_micros,
        coalesce(b.chain_sequence, 0) + row_number() OVER account_order AS sequence_expected,
        coalesce(b.chain_balance_micros, 0) + sum(e.amount_micros) OVER account_order AS balance_expected
    FROM standing e
    LEFT JOIN cut_bases b ON b.account_id = e.account_id
    WINDOW account_order AS (PARTITION BY e.account_id ORDER BY e.sequence, e.transfer_id, e.leg ROWS UNBOUNDED PRECEDING)
), last AS (
    SELECT
        coalesce(b.account_id, l.account_id) AS account_id,
        coalesce(b.chain_sequence, 0) + coalesce(l.entries, 0) AS entries,
        coalesce(b.chain_balance_micros, 0) + coalesce(l.balance, 0) AS balance
    FROM (
        SELECT account_id, count(*) AS entries, sum(amount_micros) AS balance
        FROM standing
        GROUP BY account_id
    ) l
    FULL JOIN cut_bases b ON b.account_id = l.account_id
), first_break AS (
    SELECT DISTINCT ON (account_id) *
    FROM chain
    WHERE sequence <> sequence_expected OR balance_after_micros <> balance_expected
    ORDER BY account_id, sequence_expected
)
SELECT 'account_sequence_has_no_gap' AS rule, format('%s entry %s', b.account_id, b.sequence) AS row,
    format('entry %s expected', b.sequence_expected) AS detail
FROM first_break b
WHERE b.sequence <> b.sequence_expected
UNION ALL
SELECT 'entry_balance_is_the_sum', format('%s entry %s', b.account_id, b.sequence),
    format('%s written, %s summed', b.balance_after_micros, b.balance_expected)
FROM first_break b
WHERE b.balance_after_micros <> b.balance_expected
UNION ALL
SELECT 'account_balance_is_the_sum', a.id::text,
    format('%s and %s entries written, %s and %s summed', a.balance_micros, a.last_sequence, coalesce(l.balance, 0), coalesce(l.entries, 0))
FROM accounts a
LEFT JOIN last l ON l.account_id = a.id
WHERE a.balance_micros <> coalesce(l.balance, 0) OR a.last_sequence <> coalesce(l.entries, 0)
UNION ALL
SELECT 'wallet_never_below_zero', format('%s entry %s', c.account_id, c.sequence), c.balance_expected::text
FROM chain c
JOIN accounts a ON a.id = c.account_id AND a.kind = 'wallet'
WHERE c.balance_expected < 0 OR c.balance_after_micros < 0
UNION ALL
SELECT 'debt_never_above_zero', format('%s entry %s', c.account_id, c.sequence), c.balance_expected::text
FROM chain c
JOIN accounts a ON a.id = c.account_id AND a.kind = 'debt'
WHERE c.balance_expected > 0 OR c.balance_after_micros > 0
UNION ALL
SELECT DISTINCT 'entry_has_its_account', e.account_id::text, 'entries without an account'
FROM entries e
WHERE NOT EXISTS (SELECT FROM accounts a WHERE a.id = e.account_id)
