CREATE DOMAIN ledger_shard AS smallint
    CONSTRAINT ledger_shard_range CHECK (VALUE BETWEEN 0 AND 255);
CREATE DOMAIN account_kind AS text
    CONSTRAINT account_kind_known CHECK (
        VALUE IN ('wallet', 'debt', 'revenue', 'clearing', 'credits', 'refunds', 'adjustments', 'overrun')
    );
CREATE DOMAIN currency_code AS text
    CONSTRAINT currency_code_form CHECK (VALUE ~ '^[A-Z]{3}$');
CREATE DOMAIN transfer_reason AS text
    CONSTRAINT transfer_reason_known CHECK (
        VALUE IN (
            'top_up', 'credit', 'refund', 'refund_undone', 'dispute', 'dispute_won', 'adjustment', 'debt_payment',
            'usage_hour', 'usage_rest', 'usage_depleted', 'usage_capped', 'reversal'
        )
    );

COMMENT ON DOMAIN account_kind IS 'A domain, like the others here: checked where it is written, and not again whenever a balance moves.';

CREATE TABLE accounts (
    id uuid PRIMARY KEY,
    kind account_kind NOT NULL,
    shard ledger_shard NOT NULL,
    currency currency_code NOT NULL,
    provider text NOT NULL DEFAULT '',
    balance_micros bigint NOT NULL DEFAULT 0,
    last_sequence bigint NOT NULL DEFAULT 0,
    created_at bigint NOT NULL,
    CONSTRAINT accounts_provider_of_clearing CHECK ((kind = 'clearing') = (provider <> '')),
    CONSTRAINT accounts_wallet_not_below_zero CHECK (kind <> 'wallet' OR balance_micros >= 0),
    CONSTRAINT accounts_debt_not_above_zero CHECK (kind <> 'debt' OR balance_micros <= 0)
) WITH (fillfactor = 45);

CREATE UNIQUE INDEX accounts_one_system_account ON accounts (shard, kind, currency, provider)
    WHERE kind NOT IN ('wallet', 'debt');

CREATE TABLE transfers (
    id uuid PRIMARY KEY,
    shard ledger_shard NOT NULL,
    reason transfer_reason NOT NULL,
    idempotency_key text NOT NULL,
    digest bytea NOT NULL,
    entry_count integer NOT NULL,
    subject_id uuid,
    reverses_id uuid,
    effective_at bigint NOT NULL,
    created_at bigint NOT NULL,
    ordinal bigint GENERATED ALWAYS AS IDENTITY,
    CONSTRAINT transfers_idempotency_key_unique UNIQUE (idempotency_key),
    CONSTRAINT transfers_reverses_known FOREIGN KEY (reverses_id) REFERENCES transfers (id),
    CONSTRAINT transfers_key_length CHECK (length(idempotency_key) BETWEEN 1 AND 300),
    CONSTRAINT transfers_digest_length CHECK (length(digest) = 32),
    CONSTRAINT transfers_two_or_more_entries CHECK (entry_count >= 2)
);

CREATE INDEX transfers_by_depletion ON transfers (shard, effective_at) WHERE reason IN ('usage_depleted', 'usage_capped');
CREATE UNIQUE INDEX transfers_by_ordinal ON transfers (shard, ordinal);
CREATE INDEX transfers_by_reversed ON transfers (reverses_id) WHERE reverses_id IS NOT NULL;

CREATE TABLE entries (
    transfer_id uuid NOT NULL,
    leg integer NOT NULL,
    account_id uuid NOT NULL,
    sequence bigint NOT NULL,
    amount_micros bigint NOT NULL,
    balance_after_micros bigint NOT NULL,
    created_at bigint NOT NULL,
    CONSTRAINT entries_pkey PRIMARY KEY (transfer_id, leg, created_at),
    CONSTRAINT entries_account_sequence_unique UNIQUE (account_id, sequence, created_at),
    CONSTRAINT entries_amount_not_zero CHECK (amount_micros <> 0),
    CONSTRAINT entries_sequence_positive CHECK (sequence >= 1)
) PARTITION BY RANGE (created_at);

CREATE FUNCTION ledger_refuse_change() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', tg_table_name, tg_op
        USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE FUNCTION ledger_refuse_account_change() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    IF pg_trigger_depth() > 1 AND tg_op = 'UPDATE' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'accounts move by entries alone: % refused', tg_op
        USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE FUNCTION ledger_check_new_accounts() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    IF EXISTS (SELECT FROM new_accounts WHERE balance_micros <> 0 OR last_sequence <> 0) THEN
        RAISE EXCEPTION 'an account begins empty' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION ledger_check_new_transfers() RETURNS trigger
    LANGUAGE plpgsql
    SET enable_seqscan = off
AS $$
DECLARE
    culprit uuid;
    first_at bigint;
    last_at bigint;
BEGIN
    SELECT min(t.created_at), max(t.created_at) INTO first_at, last_at FROM new_transfers t;
    SELECT t.id INTO culprit
    FROM new_transfers t
    WHERE (
        SELECT e.leg
        FROM entries e
        WHERE e.transfer_id = t.id AND e.created_at = t.created_at AND e.created_at BETWEEN first_at AND last_at
        LIMIT 1
    ) IS NULL
    LIMIT 1;
    IF culprit IS NOT NULL THEN
        RAISE EXCEPTION 'transfer % has no entries', culprit USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION ledger_apply_entries() RETURNS trigger
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = public, pg_temp
    SET enable_seqscan = off
    SET random_page_cost = 1
AS $$
DECLARE
    wrong_transfer uuid;
    out_of_balance boolean;
    wrong_account text;
BEGIN
    WITH moved AS (
        SELECT
            account_id,
            sum_micros(amount_micros) AS amount_micros,
            min(sequence) AS first_sequence,
            max(sequence) AS last_sequence
        FROM new_entries
        GROUP BY account_id
    ), updated AS (
        UPDATE accounts a
        SET balance_micros = a.balance_micros + moved.amount_micros,
            last_sequence = moved.last_sequence
        FROM moved
        WHERE a.id = moved.account_id AND a.last_sequence = moved.first_sequence - 1
        RETURNING
            a.id,
            a.kind,
            a.shard,
            a.currency,
            moved.first_sequence,
            a.balance_micros - moved.amount_micros AS before_micros
    ), chained AS (
        SELECT
            n.transfer_id,
            n.leg,
            n.created_at,
            n.amount_micros,
            u.shard,
            u.currency,
            CASE
                WHEN u.id IS NULL
                    OR n.sequence <> u.first_sequence - 1 + row_number() OVER account_order
                    OR n.balance_after_micros <> u.before_micros + sum_micros(n.amount_micros) OVER account_order
                    OR (u.kind = 'wallet' AND n.balance_after_micros < 0)
                    OR (u.kind = 'debt' AND n.balance_after_micros > 0)
                THEN n.account_id || ' at ' || n.sequence
            END AS broken
        FROM new_entries n
        FULL JOIN updated u ON u.id = n.account_id
        WINDOW account_order AS (PARTITION BY n.account_id ORDER BY n.sequence, n.leg ROWS UNBOUNDED PRECEDING)
    ), summed AS (
        SELECT
            transfer_id,
            sum_micros(amount_micros) <> 0 AS unbalanced,
            count(*) AS legs,
            min(leg) AS first_leg,
            max(leg) AS last_leg,
            min(created_at) AS first_created_at,
            max(created_at) AS last_created_at,
            min(shard) AS first_shard,
            max(shard) AS last_shard,
            min(broken) AS broken
        FROM chained
        GROUP BY transfer_id, currency
    ), told AS (
        SELECT
            transfer_id,
            bool_or(unbalanced) AS unbalanced,
            sum(legs) AS legs,
            min(first_leg) AS first_leg,
            max(last_leg) AS last_leg,
            min(first_created_at) AS first_created_at,
            max(last_created_at) AS last_created_at,
            min(first_shard) AS first_shard,
            max(last_shard) AS last_shard,
            min(broken) AS broken
        FROM summed
        GROUP BY transfer_id
    )
    SELECT d.transfer_id, d.unbalanced, d.broken INTO wrong_transfer, out_of_balance, wrong_account
    FROM told d
    LEFT JOIN LATERAL (
        SELECT k.id, k.entry_count, k.created_at, k.shard FROM transfers k WHERE k.id = d.transfer_id LIMIT 1
    ) t ON true
    WHERE d.unbalanced
        OR d.broken IS NOT NULL
        OR t.id IS NULL
        OR d.legs <> t.entry_count
        OR d.first_leg <> 0
        OR d.last_leg <> d.legs - 1
        OR d.first_created_at <> t.created_at
        OR d.last_created_at <> t.created_at
        OR d.first_shard <> t.shard
        OR d.last_shard <> t.shard
    LIMIT 1;
    IF wrong_account IS NOT NULL THEN
        RAISE EXCEPTION 'account % breaks its sequence or its balance', wrong_account USING ERRCODE = 'check_violation';
    ELSIF out_of_balance THEN
        RAISE EXCEPTION 'transfer % is not balanced', wrong_transfer USING ERRCODE = 'check_violation';
    ELSIF wrong_transfer IS NOT NULL THEN
        RAISE EXCEPTION 'transfer % and its entries do not match', wrong_transfer USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION ledger_guard_partition(partition_name text) RETURNS void
    LANGUAGE plpgsql
AS $$
BEGIN
    EXECUTE format(
        'CREATE TRIGGER entries_partition_refuses BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %I '
        'FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change()',
        partition_name
    );
END
$$;

CREATE FUNCTION ledger_extend_entries(months_ahead integer) RETURNS integer
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = public, pg_temp
AS $$
DECLARE
    month timestamp := date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC');
    begins_at bigint;
    ends_at bigint;
    partition_name text;
    made integer := 0;
BEGIN
    IF months_ahead NOT BETWEEN 0 AND 120 THEN
        RAISE EXCEPTION 'months ahead must be between 0 and 120' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM pg_advisory_xact_lock(1398361668, 1);
    FOR step IN 0..months_ahead LOOP
        begins_at := extract(epoch FROM month + make_interval(months => step));
        ends_at := extract(epoch FROM month + make_interval(months => step + 1));
        partition_name := 'entries_' || to_char(month + make_interval(months => step), 'YYYY_MM');
        CONTINUE WHEN to_regclass(format('public.%I', partition_name)) IS NOT NULL;
        CONTINUE WHEN EXISTS (
            SELECT FROM entries_default d WHERE d.created_at >= begins_at AND d.created_at < ends_at
        );
        EXECUTE format(
            'CREATE TABLE %I PARTITION OF entries FOR VALUES FROM (%s) TO (%s)', partition_name, begins_at, ends_at
        );
        PERFORM ledger_guard_partition(partition_name);
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;

CREATE TRIGGER accounts_begin_empty AFTER INSERT ON accounts
    REFERENCING NEW TABLE AS new_accounts
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_new_accounts();
CREATE TRIGGER accounts_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON accounts
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_account_change();
CREATE TRIGGER transfers_have_entries AFTER INSERT ON transfers
    REFERENCING NEW TABLE AS new_transfers
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_new_transfers();
CREATE TRIGGER transfers_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON transfers
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER entries_apply AFTER INSERT ON entries
    REFERENCING NEW TABLE AS new_entries
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_apply_entries();
CREATE TRIGGER entries_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON entries
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER entries_refuse_row_change BEFORE UPDATE OR DELETE ON entries
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change();

CREATE TABLE entries_default PARTITION OF entries DEFAULT;
SELECT ledger_guard_partition('entries_default');
SELECT ledger_extend_entries(24);

COMMENT ON TABLE accounts IS 'Balances in micro-units; moved by the trigger on entries alone. A wallet''s balance is what the customer has.';
COMMENT ON TABLE transfers IS 'Movements of money; each is inserted in one statement with its entries and never changed. Unpartitioned, for the unique key.';
COMMENT ON TABLE entries IS 'Legs of transfers, summing to zero per currency; sequence counts an account''s entries from 1 without a gap.';
COMMENT ON FUNCTION ledger_extend_entries(integer) IS 'Makes the monthly partitions of entries from this month on; entries_default takes what has none.';

REVOKE ALL ON FUNCTION ledger_extend_entries(integer), ledger_guard_partition(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger_extend_entries(integer) TO syneudp_runtime;
GRANT SELECT, INSERT (id, kind, shard, currency, provider, created_at) ON accounts TO syneudp_runtime;
GRANT SELECT, INSERT ON entries TO syneudp_runtime;
GRANT SELECT, INSERT (
    id, shard, reason, idempotency_key, digest, entry_count, subject_id, reverses_id, effective_at, created_at
) ON transfers TO syneudp_runtime;
