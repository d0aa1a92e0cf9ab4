CREATE TABLE wallet_debts (
    wallet_id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    created_at bigint NOT NULL,
    CONSTRAINT wallet_debts_one_an_account UNIQUE (account_id),
    CONSTRAINT wallet_debts_wallet_known FOREIGN KEY (wallet_id) REFERENCES wallets (id),
    CONSTRAINT wallet_debts_account_known FOREIGN KEY (account_id) REFERENCES accounts (id)
);

CREATE FUNCTION wallet_refuse_indebted_segments() RETURNS trigger
    LANGUAGE plpgsql
AS $$
DECLARE
    culprit uuid;
BEGIN
    SELECT n.wallet_id INTO culprit
    FROM new_segments n
    JOIN wallet_debts d ON d.wallet_id = n.wallet_id
    JOIN accounts a ON a.id = d.account_id
    WHERE a.balance_micros < 0
    LIMIT 1;
    IF culprit IS NOT NULL THEN
        RAISE EXCEPTION 'wallet % is frozen until its debt is paid', culprit USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER usage_segments_refuse_indebted AFTER INSERT ON usage_segments
    REFERENCING NEW TABLE AS new_segments
    FOR EACH STATEMENT EXECUTE FUNCTION wallet_refuse_indebted_segments();
CREATE TRIGGER wallet_debts_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON wallet_debts
    FOR EACH STATEMENT EXECUTE FUNCTION wallet_refuse_change();

COMMENT ON TABLE wallet_debts IS 'The debt account of each wallet that ever owed; its balance is zero or below, and below means frozen.';

GRANT SELECT, INSERT ON wallet_debts TO syneudp_runtime;
