WITH last AS (
    SELECT number, until_ordinal, digest
    FROM seals
    WHERE shard = $1
    ORDER BY number DESC
    LIMIT 1
), begun AS (
    SELECT
        coalesce(max(last.number), 0) + 1 AS number,
        coalesce(max(last.until_ordinal), 0) AS after_ordinal,
        coalesce((SELECT digest FROM last), ledger_no_digest()) AS previous_digest
    FROM last
), found AS (
    SELECT begun.*, c.*
    FROM begun
    CROSS JOIN LATERAL ledger_contents($1::smallint, begun.after_ordinal, 9223372036854775807) c
    WHERE c.transfers > 0
)
INSERT INTO seals (
    shard, number, after_ordinal, until_ordinal, transfers, entries, headers_digest, entries_digest, previous_digest,
    digest, sealed_at
)
SELECT
    $1, f.number, f.after_ordinal, f.until_ordinal, f.transfers, f.entries, f.headers_digest, f.entries_digest,
    f.previous_digest,
    ledger_seal_digest(ROW(
        $1, f.number, f.after_ordinal, f.until_ordinal, f.transfers, f.entries, f.headers_digest, f.entries_digest,
        f.previous_digest, ''::bytea, $2::bigint
    )::seals),
    $2
FROM found f
RETURNING shard, number, until_ordinal, transfers, entries, digest
