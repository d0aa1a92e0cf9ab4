CREATE FUNCTION ledger_post(
    new_id uuid,
    told_reason text,
    told_key text,
    told_subject_id uuid,
    told_reverses_id uuid,
    told_effective_at bigint,
    told_created_at bigint,
    account_ids uuid[],
    amounts bigint[],
    alone boolean,
    OUT transfer_id uuid,
    OUT replayed boolean,
    OUT agrees boolean
)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = public, pg_temp
    SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    books_shard smallint;
    sequences bigint[];
    balances bigint[];
    legs_digest bytea;
BEGIN
    IF alone THEN
        SELECT min(held.shard), array_agg(held.last_sequence ORDER BY number), array_agg(held.balance_micros ORDER BY number)
        INTO books_shard, sequences, balances
        FROM unnest(account_ids) WITH ORDINALITY AS leg (account_id, number)
        JOIN accounts held ON held.id = leg.account_id;
    ELSE
        SELECT min(held.shard), array_agg(held.last_sequence ORDER BY number), array_agg(held.balance_micros ORDER BY number)
        INTO books_shard, sequences, balances
        FROM unnest(account_ids) WITH ORDINALITY AS leg (account_id, number)
        JOIN (
            SELECT a.id, a.shard, a.last_sequence, a.balance_micros
            FROM accounts a
            WHERE a.id = ANY (account_ids)
            ORDER BY (a.kind IN ('wallet', 'debt')) DESC, a.id
            FOR NO KEY UPDATE
        ) held ON held.id = leg.account_id;
    END IF;
    IF cardinality(sequences) IS DISTINCT FROM cardinality(account_ids) THEN
        RETURN;
    END IF;
    SELECT sha256(convert_to(
        told_reason || string_agg('|' || leg.account_id || ':' || leg.amount_micros, '' ORDER BY leg.number), 'UTF8'
    )) INTO legs_digest
    FROM unnest(account_ids, amounts) WITH ORDINALITY AS leg (account_id, amount_micros, number);
    WITH made AS (
        INSERT INTO transfers (
            id, shard, reason, idempotency_key, digest, entry_count, subject_id, reverses_id, effective_at, created_at
        )
        VALUES (
            new_id, books_shard, told_reason, told_key, legs_digest, cardinality(account_ids),
            told_subject_id, told_reverses_id, told_effective_at, told_created_at
        )
        ON CONFLICT (idempotency_key) DO NOTHING
        RETURNING id
    )
    INSERT INTO entries (transfer_id, leg, account_id, sequence, amount_micros, balance_after_micros, created_at)
    SELECT
        made.id,
        leg.number - 1,
        leg.account_id,
        leg.last_sequence + row_number() OVER account_order,
        leg.amount_micros,
        leg.balance_micros + sum_micros(leg.amount_micros) OVER account_order,
        told_created_at
    FROM made
    CROSS JOIN unnest(account_ids, amounts, sequences, balances)
        WITH ORDINALITY AS leg (account_id, amount_micros, last_sequence, balance_micros, number)
    WINDOW account_order AS (PARTITION BY leg.account_id ORDER BY leg.number ROWS UNBOUNDED PRECEDING);
    IF FOUND THEN
        transfer_id := new_id;
        replayed := false;
        agrees := true;
    ELSE
        SELECT t.id, true, t.digest = legs_digest INTO transfer_id, replayed, agrees
        FROM transfers t
        WHERE t.idempotency_key = told_key;
    END IF;
END
$$;

CREATE FUNCTION ledger_post_many(
    new_ids uuid[],
    reasons text[],
    keys text[],
    subject_ids uuid[],
    reverses_ids uuid[],
    effective_ats bigint[],
    created_ats bigint[],
    entry_counts integer[],
    account_ids uuid[],
    amounts bigint[]
) RETURNS TABLE (transfer_id uuid, replayed boolean)
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = public, pg_temp
    SET plan_cache_mode = force_custom_plan
    SET enable_seqscan = off
    SET random_page_cost = 1
AS $$
#variable_conflict use_column
DECLARE
    places integer[];
    leg_shards smallint[];
    sequences bigint[];
    balances bigint[];
    shards smallint[];
    digests bytea[];
    written bigint;
BEGIN
    SELECT
        array_agg(held.shard ORDER BY leg.number),
        array_agg(held.last_sequence ORDER BY leg.number),
        array_agg(held.balance_micros ORDER BY leg.number)
    INTO leg_shards, sequences, balances
    FROM unnest(account_ids) WITH ORDINALITY AS leg (account_id, number)
    JOIN (
        SELECT a.id, a.shard, a.last_sequence, a.balance_micros
        FROM accounts a
        WHERE a.id = ANY (account_ids)
        ORDER BY (a.kind IN ('wallet', 'debt')) DESC, a.id
        FOR NO KEY UPDATE
    ) held ON held.id = leg.account_id;
    IF cardinality(sequences) IS DISTINCT FROM cardinality(account_ids) THEN
        RETURN;
    END IF;

    SELECT array_agg(told.place ORDER BY told.place, number) INTO places
    FROM unnest(entry_counts) WITH ORDINALITY AS told (entry_count, place)
    CROSS JOIN generate_series(1, told.entry_count) AS number;

    SELECT array_agg(legs.shard ORDER BY legs.place), array_agg(legs.digest ORDER BY legs.place) INTO shards, digests
    FROM (
        SELECT
            leg.place,
            min(leg.shard) AS shard,
            sha256(convert_to(
                min(told.reason) || string_agg('|' || leg.account_id || ':' || leg.amount_micros, '' ORDER BY leg.number),
                'UTF8'
            )) AS digest
        FROM unnest(places, leg_shards, account_ids, amounts)
            WITH ORDINALITY AS leg (place, shard, account_id, amount_micros, number)
        JOIN unnest(reasons) WITH ORDINALITY AS told (reason, place) ON told.place = leg.place
        GROUP BY leg.place
    ) legs;

    WITH made AS (
        INSERT INTO transfers (
            id, shard, reason, idempotency_key, digest, entry_count, subject_id, reverses_id, effective_at, created_at
        )
        SELECT
            told.id, told.shard, told.reason, told.key, told.digest, told.entry_count,
            told.subject_id, told.reverses_id, told.effective_at, told.created_at
        FROM unnest(
            new_ids, shards, reasons, keys, digests, entry_counts, subject_ids, reverses_ids, effective_ats, created_ats
        ) WITH ORDINALITY AS told (
            id, shard, reason, key, digest, entry_count, subject_id, reverses_id, effective_at, created_at, place
        )
        ORDER BY told.place
        ON CONFLICT (idempotency_key) DO NOTHING
        RETURNING id, created_at
    )
    INSERT INTO entries (transfer_id, leg, account_id, sequence, amount_micros, balance_after_micros, created_at)
    SELECT
        made.id,
        row_number() OVER (PARTITION BY leg.place ORDER BY leg.number) - 1,
        leg.account_id,
        leg.last_sequence + row_number() OVER account_order,
        leg.amount_micros,
        leg.balance_micros + sum_micros(leg.amount_micros) OVER account_order,
        made.created_at
    FROM unnest(places, account_ids, amounts, sequences, balances)
        WITH ORDINALITY AS leg (place, account_id, amount_micros, last_sequence, balance_micros, number)
    JOIN made ON made.id = new_ids[leg.place]
    WINDOW account_order AS (PARTITION BY leg.account_id ORDER BY leg.number ROWS UNBOUNDED PRECEDING);
    GET DIAGNOSTICS written = ROW_COUNT;
    IF written = cardinality(account_ids) THEN
        RETURN QUERY SELECT told.id, false FROM unnest(new_ids) WITH ORDINALITY AS told (id, place) ORDER BY told.place;
        RETURN;
    END IF;

    IF EXISTS (
        SELECT
        FROM unnest(keys, digests) AS told (key, digest)
        JOIN transfers t ON t.idempotency_key = told.key
        WHERE t.digest <> told.digest
    ) THEN
        RAISE EXCEPTION 'a key stands for another movement of money'
            USING ERRCODE = 'unique_violation', CONSTRAINT = 'transfers_idempotency_key_unique';
    END IF;
    RETURN QUERY
    SELECT t.id, t.id <> told.id
    FROM unnest(new_ids, keys) WITH ORDINALITY AS told (id, key, place)
    JOIN transfers t ON t.idempotency_key = told.key
    ORDER BY told.place;
END
$$;

COMMENT ON FUNCTION ledger_post(uuid, text, text, uuid, uuid, bigint, bigint, uuid[], bigint[], boolean) IS 'Posts a transfer once for a key; alone says that the caller keeps every other poster away from all of its accounts, which are then not locked first.';
COMMENT ON FUNCTION ledger_post_many(uuid[], text[], text[], uuid[], uuid[], bigint[], bigint[], integer[], uuid[], bigint[]) IS 'Posts many transfers in one statement, each once for its key; the entries of all follow one another, as many a transfer as entry_counts says.';

REVOKE ALL ON FUNCTION
    ledger_post(uuid, text, text, uuid, uuid, bigint, bigint, uuid[], bigint[], boolean),
    ledger_post_many(uuid[], text[], text[], uuid[], uuid[], bigint[], bigint[], integer[], uuid[], bigint[])
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    ledger_post(uuid, text, text, uuid, uuid, bigint, bigint, uuid[], bigint[], boolean),
    ledger_post_many(uuid[], text[], text[], uuid[], uuid[], bigint[], bigint[], integer[], uuid[], bigint[])
TO syneudp_runtime;
