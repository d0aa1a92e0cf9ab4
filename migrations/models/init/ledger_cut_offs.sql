CREATE TABLE cut_offs (
    number bigint PRIMARY KEY,
    before_at bigint NOT NULL,
    checkpoint bigint NOT NULL,
    accounts bigint NOT NULL,
    entries bigint NOT NULL,
    contents_digest bytea NOT NULL,
    previous_digest bytea NOT NULL,
    digest bytea NOT NULL,
    taken_at bigint NOT NULL,
    CONSTRAINT cut_offs_before_once UNIQUE (before_at),
    CONSTRAINT cut_offs_checkpoint_known FOREIGN KEY (checkpoint) REFERENCES checkpoints (number),
    CONSTRAINT cut_offs_number_positive CHECK (number >= 1)
);

CREATE TABLE cut_balances (
    account_id uuid NOT NULL,
    cut_off bigint NOT NULL,
    entries bigint NOT NULL,
    balance_micros bigint NOT NULL,
    usage_micros bigint NOT NULL,
    chain_sequence bigint NOT NULL,
    chain_balance_micros bigint NOT NULL,
    CONSTRAINT cut_balances_pkey PRIMARY KEY (account_id, cut_off),
    CONSTRAINT cut_balances_account_known FOREIGN KEY (account_id) REFERENCES accounts (id),
    CONSTRAINT cut_balances_cut_off_known FOREIGN KEY (cut_off) REFERENCES cut_offs (number) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT cut_balances_chain_within CHECK (chain_sequence BETWEEN 0 AND entries)
);

CREATE TABLE cut_entries (
    account_id uuid NOT NULL,
    sequence bigint NOT NULL,
    cut_off bigint NOT NULL,
    transfer_id uuid NOT NULL,
    leg integer NOT NULL,
    amount_micros bigint NOT NULL,
    balance_after_micros bigint NOT NULL,
    CONSTRAINT cut_entries_pkey PRIMARY KEY (account_id, sequence),
    CONSTRAINT cut_entries_cut_off_known FOREIGN KEY (cut_off) REFERENCES cut_offs (number) DEFERRABLE INITIALLY DEFERRED
);

CREATE VIEW cut_bases AS
SELECT DISTINCT ON (b.account_id) b.*
FROM cut_balances b
ORDER BY b.account_id, b.cut_off DESC;

CREATE FUNCTION ledger_cut_at() RETURNS bigint
    LANGUAGE sql
    STABLE
AS $$
    SELECT coalesce(max(before_at), -9223372036854775808) FROM cut_offs
$$;

CREATE FUNCTION ledger_cut_contents(told_cut_off bigint) RETURNS bytea
    LANGUAGE sql
    STABLE
AS $$
    SELECT sha256(
        coalesce((
            SELECT string_agg(
                uuid_send(b.account_id) || int8send(b.entries) || int8send(b.balance_micros) || int8send(b.usage_micros)
                || int8send(b.chain_sequence) || int8send(b.chain_balance_micros),
                ''::bytea ORDER BY b.account_id
            )
            FROM cut_balances b
            WHERE b.cut_off = told_cut_off
        ), ''::bytea)
        || coalesce((
            SELECT string_agg(
                uuid_send(e.account_id) || int8send(e.sequence) || uuid_send(e.transfer_id) || int4send(e.leg)
                || int8send(e.amount_micros) || int8send(e.balance_after_micros),
                ''::bytea ORDER BY e.account_id, e.sequence
            )
            FROM cut_entries e
            WHERE e.cut_off = told_cut_off
        ), ''::bytea)
    )
$$;

CREATE FUNCTION ledger_cut_digest(told cut_offs) RETURNS bytea
    LANGUAGE sql
    STABLE
AS $$
    SELECT sha256(
        told.previous_digest || int8send(told.number) || int8send(told.before_at) || int8send(told.accounts)
        || int8send(told.entries) || told.contents_digest
        || (SELECT k.digest FROM checkpoints k WHERE k.number = told.checkpoint)
    )
$$;

CREATE FUNCTION ledger_detach_before(told_before bigint, told_now bigint) RETURNS SETOF text
    LANGUAGE plpgsql
AS $$
DECLARE
    this bigint := 1 + coalesce((SELECT max(number) FROM cut_offs), 0);
    names text[];
    culprit text;
    name text;
BEGIN
    PERFORM pg_advisory_xact_lock(1398361668, 1);
    PERFORM pg_advisory_xact_lock(1398361668, 2);
    SELECT array_agg(told.name ORDER BY told.until_at) INTO names
    FROM (
        SELECT
            c.relname AS name,
            substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO \(''?(-?[0-9]+)''?\)')::bigint AS until_at
        FROM pg_inherits i
        JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'entries'::regclass AND c.relname <> 'entries_closed'
    ) told
    WHERE told.until_at <= told_before;
    IF names IS NULL THEN
        RAISE EXCEPTION 'No entries of whole months before that are left to detach.';
    END IF;
    FOREACH name IN ARRAY names LOOP
        EXECUTE format('LOCK TABLE %I IN SHARE MODE', name);
    END LOOP;
    IF EXISTS (SELECT FROM entries_default d WHERE d.created_at < told_before) THEN
        RAISE EXCEPTION 'Some entries before that stand in the default partition, from which nothing is detached.';
    END IF;
    SELECT format('Transfer %s is not sealed and tied by a checkpoint yet.', t.id) INTO culprit
    FROM transfers t
    WHERE t.created_at < told_before
        AND t.ordinal > coalesce((
            SELECT s.until_ordinal
            FROM checkpoints k
            JOIN seals s ON s.shard = t.shard AND s.number = k.heads[t.shard + 1]
            ORDER BY k.number DESC
            LIMIT 1
        ), 0)
    LIMIT 1;
    IF culprit IS NOT NULL THEN
        RAISE EXCEPTION '%', culprit;
    END IF;

    WITH moved AS (
        SELECT
            e.account_id,
            count(*) AS entries,
            sum(e.amount_micros) AS amount_micros,
            coalesce(sum(e.amount_micros) FILTER (
                WHERE t.reason IN ('usage_hour', 'usage_rest', 'usage_depleted', 'usage_capped')
            ), 0) AS usage_micros,
            max(e.sequence) AS last_sequence
        FROM entries e
        JOIN transfers t ON t.id = e.transfer_id
        WHERE e.created_at < told_before
        GROUP BY e.account_id
    ), summed AS (
        SELECT
            m.account_id,
            m.entries + coalesce(b.entries, 0) AS entries,
            m.amount_micros + coalesce(b.balance_micros, 0) AS balance_micros,
            m.usage_micros + coalesce(b.usage_micros, 0) AS usage_micros,
            coalesce(b.chain_sequence, 0) AS chain_sequence,
            coalesce(b.chain_balance_micros, 0) AS chain_balance_micros,
            greatest(m.last_sequence, c.last_sequence) AS last_sequence
        FROM moved m
        LEFT JOIN cut_bases b ON b.account_id = m.account_id
        LEFT JOIN (
            SELECT account_id, max(sequence) AS last_sequence FROM cut_entries GROUP BY account_id
        ) c ON c.account_id = m.account_id
    ), ragged AS (
        SELECT d.account_id, max(d.sequence) AS chain_sequence, sum(d.amount_micros) AS amount_micros
        FROM (
            SELECT
                a.account_id,
                a.sequence,
                a.amount_micros,
                s.chain_sequence + row_number() OVER (PARTITION BY a.account_id ORDER BY a.sequence) AS expected
            FROM summed s
            JOIN (
                SELECT account_id, sequence, amount_micros FROM entries WHERE created_at < told_before
                UNION ALL
                SELECT account_id, sequence, amount_micros FROM cut_entries
            ) a ON a.account_id = s.account_id AND a.sequence > s.chain_sequence
            WHERE s.entries <> s.last_sequence
        ) d
        WHERE d.sequence = d.expected
        GROUP BY d.account_id
    )
    INSERT INTO cut_balances (
        account_id, cut_off, entries, balance_micros, usage_micros, chain_sequence, chain_balance_micros
    )
    SELECT
        s.account_id,
        this,
        s.entries,
        s.balance_micros,
        s.usage_micros,
        CASE WHEN s.entries = s.last_sequence THEN s.last_sequence ELSE coalesce(r.chain_sequence, s.chain_sequence) END,
        CASE
            WHEN s.entries = s.last_sequence THEN s.balance_micros
            ELSE s.chain_balance_micros + coalesce(r.amount_micros, 0)
        END
    FROM summed s
    LEFT JOIN ragged r ON r.account_id = s.account_id;

    INSERT INTO cut_entries (account_id, sequence, cut_off, transfer_id, leg, amount_micros, balance_after_micros)
    SELECT e.account_id, e.sequence, this, e.transfer_id, e.leg, e.amount_micros, e.balance_after_micros
    FROM entries e
    JOIN cut_balances b ON b.account_id = e.account_id AND b.cut_off = this
    WHERE e.created_at < told_before AND b.entries > b.chain_sequence AND e.sequence > b.chain_sequence;

    INSERT INTO cut_offs (
        number, before_at, checkpoint, accounts, entries, contents_digest, previous_digest, digest, taken_at
    )
    SELECT
        this, told_before, k.number, n.accounts, n.entries, ledger_cut_contents(this), n.previous_digest,
        ledger_cut_digest(ROW(
            this, told_before, k.number, n.accounts, n.entries, ledger_cut_contents(this), n.previous_digest,
            ''::bytea, told_now
        )::cut_offs),
        told_now
    FROM (
        SELECT
            (SELECT count(*) FROM cut_balances b WHERE b.cut_off = this) AS accounts,
            (SELECT count(*) FROM entries e WHERE e.created_at < told_before) AS entries,
            coalesce((SELECT c.digest FROM cut_offs c WHERE c.number = this - 1), ledger_no_digest()) AS previous_digest
    ) n
    CROSS JOIN (SELECT max(number) AS number FROM checkpoints) k;

    FOREACH name IN ARRAY names LOOP
        EXECUTE format('ALTER TABLE entries DETACH PARTITION %I', name);
    END LOOP;
    DROP TABLE IF EXISTS entries_closed;
    EXECUTE format(
        'CREATE TABLE entries_closed PARTITION OF entries (CONSTRAINT entries_closed_takes_nothing CHECK (false)) '
        'FOR VALUES FROM (MINVALUE) TO (%s)',
        told_before
    );
    PERFORM ledger_guard_partition('entries_closed');
    RETURN QUERY SELECT unnest(names);
END
$$;

CREATE TRIGGER cut_offs_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON cut_offs
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER cut_balances_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON cut_balances
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER cut_entries_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON cut_entries
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

COMMENT ON TABLE cut_offs IS 'Instants before which entries were detached, each digested with its balances and the checkpoint behind it, chained.';
COMMENT ON TABLE cut_balances IS 'What was detached of an account up to a cut-off, in all; its chain of sequences goes on after chain_sequence.';
COMMENT ON TABLE cut_entries IS 'Entries that were detached although one with a lower sequence of the same account was not.';

REVOKE ALL ON FUNCTION ledger_detach_before(bigint, bigint) FROM PUBLIC;
GRANT SELECT ON cut_offs, cut_balances, cut_entries, cut_bases TO syneudp_runtime;
