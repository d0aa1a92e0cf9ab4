CREATE TABLE transfer_reversals (
    transfer_id uuid PRIMARY KEY,
    amount_micros bigint NOT NULL,
    reversed_micros bigint NOT NULL,
    CONSTRAINT transfer_reversals_transfer_known FOREIGN KEY (transfer_id) REFERENCES transfers (id),
    CONSTRAINT transfer_reversals_within CHECK (reversed_micros BETWEEN 0 AND amount_micros)
);

CREATE FUNCTION ledger_amount(told_id uuid, told_at bigint) RETURNS bigint
    LANGUAGE sql
    STABLE
AS $$
    SELECT sum(e.amount_micros)::bigint
    FROM entries e
    WHERE e.transfer_id = told_id AND e.created_at = told_at AND e.amount_micros > 0
$$;

CREATE FUNCTION ledger_record_reversal() RETURNS trigger
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = public, pg_temp
AS $$
DECLARE
    moved bigint := ledger_amount(NEW.id, NEW.created_at);
    direction integer := 1;
    next_id uuid := NEW.reverses_id;
    target record;
    whole bigint;
BEGIN
    INSERT INTO transfer_reversals (transfer_id, amount_micros, reversed_micros) VALUES (NEW.id, moved, 0);
    WHILE next_id IS NOT NULL LOOP
        SELECT t.id, t.shard, t.created_at, t.reverses_id INTO target FROM transfers t WHERE t.id = next_id;
        whole := ledger_amount(target.id, target.created_at);
        IF target.shard <> NEW.shard OR whole IS NULL THEN
            RAISE EXCEPTION 'transfer % cannot be reversed here', target.id USING ERRCODE = 'check_violation';
        END IF;
        INSERT INTO transfer_reversals (transfer_id, amount_micros, reversed_micros)
        VALUES (target.id, whole, 0)
        ON CONFLICT (transfer_id) DO NOTHING;
        UPDATE transfer_reversals
        SET reversed_micros = reversed_micros + direction * moved
        WHERE transfer_id = target.id;
        direction := -direction;
        next_id := target.reverses_id;
    END LOOP;
    RETURN NULL;
END
$$;

CREATE FUNCTION ledger_refuse_reversal_change() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    IF pg_trigger_depth() > 1 AND tg_op IN ('INSERT', 'UPDATE') THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'what is reversed moves by transfers alone: % refused', tg_op
        USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER transfers_reverse_within AFTER INSERT ON transfers
    FOR EACH ROW WHEN (NEW.reverses_id IS NOT NULL) EXECUTE FUNCTION ledger_record_reversal();
CREATE TRIGGER transfer_reversals_refuse_change BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON transfer_reversals
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_reversal_change();

COMMENT ON TABLE transfer_reversals IS 'What each transfer in a reversal moved and what stands reversed of it, reversals of reversals taken off; moved by the trigger on transfers alone.';

REVOKE ALL ON FUNCTION ledger_amount(uuid, bigint) FROM PUBLIC;
GRANT SELECT ON transfer_reversals TO syneudp_runtime;
