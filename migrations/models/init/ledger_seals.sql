CREATE TABLE seals (
    shard smallint NOT NULL,
    number bigint NOT NULL,
    after_ordinal bigint NOT NULL,
    until_ordinal bigint NOT NULL,
    transfers bigint NOT NULL,
    entries bigint NOT NULL,
    headers_digest bytea NOT NULL,
    entries_digest bytea NOT NULL,
    previous_digest bytea NOT NULL,
    digest bytea NOT NULL,
    sealed_at bigint NOT NULL,
    CONSTRAINT seals_pkey PRIMARY KEY (shard, number),
    CONSTRAINT seals_shard_range CHECK (shard BETWEEN 0 AND 255),
    CONSTRAINT seals_number_positive CHECK (number >= 1),
    CONSTRAINT seals_span CHECK (after_ordinal >= 0 AND until_ordinal > after_ordinal),
    CONSTRAINT seals_hold_something CHECK (transfers >= 1 AND entries >= 2 * transfers)
);

CREATE TABLE checkpoints (
    number bigint PRIMARY KEY,
    heads bigint[] NOT NULL,
    cut_off_digest bytea NOT NULL,
    previous_digest bytea NOT NULL,
    digest bytea NOT NULL,
    taken_at bigint NOT NULL,
    CONSTRAINT checkpoints_number_positive CHECK (number >= 1),
    CONSTRAINT checkpoints_one_head_a_shard CHECK (array_length(heads, 1) = 256)
);

CREATE FUNCTION ledger_no_digest() RETURNS bytea
    LANGUAGE sql
    IMMUTABLE
AS $$
    SELECT decode(repeat('00', 32), 'hex')
$$;

CREATE FUNCTION ledger_header_digest(told transfers) RETURNS bytea
    LANGUAGE sql
    STABLE
AS $$
    SELECT sha256(convert_to(concat_ws(
        '|', told.id, told.shard, told.ordinal, told.reason, encode(told.digest, 'hex'), told.entry_count,
        coalesce(told.subject_id::text, ''), coalesce(told.reverses_id::text, ''), told.effective_at, told.created_at,
        told.idempotency_key
    ), 'UTF8'))
$$;

CREATE FUNCTION ledger_contents(told_shard smallint, told_after bigint, told_until bigint)
    RETURNS TABLE (
        transfers bigint, entries bigint, headers_digest bytea, entries_digest bytea, until_ordinal bigint, oldest_at bigint
    )
    LANGUAGE sql
    STABLE
AS $$
    SELECT
        count(*),
        coalesce(sum(legs.told), 0)::bigint,
        sha256(coalesce(string_agg(ledger_header_digest(t), ''::bytea ORDER BY t.ordinal), ''::bytea)),
        sha256(coalesce(string_agg(legs.bytes, ''::bytea ORDER BY t.ordinal), ''::bytea)),
        max(t.ordinal),
        min(t.created_at)
    FROM transfers t
    LEFT JOIN LATERAL (
        SELECT
            count(*) AS told,
            string_agg(
                int4send(e.leg) || uuid_send(e.account_id) || int8send(e.sequence)
                || int8send(e.amount_micros) || int8send(e.balance_after_micros),
                ''::bytea ORDER BY e.leg
            ) AS bytes
        FROM entries e
        WHERE e.transfer_id = t.id AND e.created_at = t.created_at
    ) legs ON true
    WHERE t.shard = told_shard AND t.ordinal > told_after AND t.ordinal <= told_until
$$;

CREATE FUNCTION ledger_seal_digest(told seals) RETURNS bytea
    LANGUAGE sql
    IMMUTABLE
AS $$
    SELECT sha256(
        told.previous_digest || int2send(told.shard) || int8send(told.number) || int8send(told.after_ordinal)
        || int8send(told.until_ordinal) || int8send(told.transfers) || int8send(told.entries)
        || told.headers_digest || told.entries_digest
    )
$$;

CREATE FUNCTION ledger_checkpoint_digest(
    told_previous bytea, told_number bigint, told_cut_off bytea, told_heads bigint[]
) RETURNS bytea
    LANGUAGE sql
    STABLE
AS $$
    SELECT sha256(told_previous || int8send(told_number) || told_cut_off || string_agg(
        int8send(head.number) || coalesce(s.digest, ledger_no_digest()), ''::bytea ORDER BY head.place
    ))
    FROM unnest(told_heads) WITH ORDINALITY AS head (number, place)
    LEFT JOIN seals s ON s.shard = (head.place - 1)::smallint AND s.number = head.number
$$;

CREATE FUNCTION ledger_check_new_seals() RETURNS trigger
    LANGUAGE plpgsql
AS $$
DECLARE
    culprit text;
BEGIN
    SELECT n.shard || ' number ' || n.number INTO culprit
    FROM new_seals n
    LEFT JOIN seals p ON p.shard = n.shard AND p.number = n.number - 1
    WHERE n.number <> coalesce(p.number, 0) + 1
        OR n.after_ordinal <> coalesce(p.until_ordinal, 0)
        OR n.previous_digest <> coalesce(p.digest, ledger_no_digest())
        OR n.digest <> sha256(
            n.previous_digest || int2send(n.shard) || int8send(n.number) || int8send(n.after_ordinal)
            || int8send(n.until_ordinal) || int8send(n.transfers) || int8send(n.entries)
            || n.headers_digest || n.entries_digest
        )
    LIMIT 1;
    IF culprit IS NOT NULL THEN
        RAISE EXCEPTION 'seal of shard % does not continue its chain', culprit USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION ledger_check_new_checkpoints() RETURNS trigger
    LANGUAGE plpgsql
AS $$
DECLARE
    culprit bigint;
BEGIN
    SELECT n.number INTO culprit
    FROM new_checkpoints n
    LEFT JOIN checkpoints p ON p.number = n.number - 1
    WHERE n.number <> coalesce(p.number, 0) + 1
        OR n.previous_digest <> coalesce(p.digest, ledger_no_digest())
        OR n.digest IS DISTINCT FROM ledger_checkpoint_digest(n.previous_digest, n.number, n.cut_off_digest, n.heads)
    LIMIT 1;
    IF culprit IS NOT NULL THEN
        RAISE EXCEPTION 'checkpoint % does not continue its chain', culprit USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER seals_continue_the_chain AFTER INSERT ON seals
    REFERENCING NEW TABLE AS new_seals
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_new_seals();
CREATE TRIGGER seals_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON seals
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER checkpoints_continue_the_chain AFTER INSERT ON checkpoints
    REFERENCING NEW TABLE AS new_checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_new_checkpoints();
CREATE TRIGGER checkpoints_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

COMMENT ON TABLE seals IS 'SHA-256 over the transfers of a shard with ordinals above after_ordinal through until_ordinal, chained a shard; written under the shard''s lock.';
COMMENT ON TABLE checkpoints IS 'Ties the shards'' newest seals, one number a shard from shard 0 on, 0 for none, and the newest cut-off together; chained.';

GRANT SELECT, INSERT ON seals, checkpoints TO syneudp_runtime;
