CREATE TABLE wallet_caps (
    wallet_id uuid NOT NULL,
    number integer NOT NULL,
    monthly_micros bigint,
    spent_micros bigint NOT NULL,
    set_at bigint NOT NULL,
    CONSTRAINT wallet_caps_pkey PRIMARY KEY (wallet_id, number),
    CONSTRAINT wallet_caps_wallet_known FOREIGN KEY (wallet_id) REFERENCES wallets (id),
    CONSTRAINT wallet_caps_number_positive CHECK (number >= 1),
    CONSTRAINT wallet_caps_monthly_range CHECK (monthly_micros BETWEEN 1 AND 1000000000000000),
    CONSTRAINT wallet_caps_range CHECK (spent_micros >= 0 AND set_at >= 0)
);

CREATE TRIGGER wallet_caps_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON wallet_caps
    FOR EACH STATEMENT EXECUTE FUNCTION wallet_refuse_change();

COMMENT ON TABLE wallet_caps IS 'What a wallet may spend in a calendar month (UTC), as it was set from time to time; the last row holds, and null is no cap. spent_micros is what that month was charged by then.';

GRANT SELECT, INSERT ON wallet_caps TO syneudp_runtime;
