CREATE TABLE wallet_alert_watches (
    wallet_id uuid PRIMARY KEY,
    level smallint NOT NULL DEFAULT 0,
    look_at bigint,
    CONSTRAINT wallet_alert_watches_wallet_known FOREIGN KEY (wallet_id) REFERENCES wallets (id),
    CONSTRAINT wallet_alert_watches_level_range CHECK (level BETWEEN 0 AND 3)
) WITH (fillfactor = 50);

CREATE INDEX wallet_alert_watches_due ON wallet_alert_watches (look_at, wallet_id) WHERE look_at IS NOT NULL;

CREATE TABLE wallet_alerts (
    id uuid PRIMARY KEY,
    wallet_id uuid NOT NULL,
    kind text NOT NULL,
    raised_at bigint NOT NULL,
    balance_micros bigint NOT NULL,
    available_micros bigint NOT NULL,
    burn_micros_per_hour bigint NOT NULL,
    ends_at bigint,
    resource_ids uuid[] NOT NULL,
    announced boolean NOT NULL DEFAULT false,
    CONSTRAINT wallet_alerts_wallet_known FOREIGN KEY (wallet_id) REFERENCES wallets (id),
    CONSTRAINT wallet_alerts_kind_form CHECK (kind ~ '^[a-z][a-z0-9_]{1,39}$'),
    CONSTRAINT wallet_alerts_amounts_not_negative CHECK (
        balance_micros >= 0 AND available_micros >= 0 AND burn_micros_per_hour >= 0
    ),
    CONSTRAINT wallet_alerts_instants_not_negative CHECK (raised_at >= 0 AND ends_at >= 0)
);

CREATE INDEX wallet_alerts_by_wallet ON wallet_alerts (wallet_id, id);
CREATE INDEX wallet_alerts_unannounced ON wallet_alerts (id) WHERE NOT announced;

CREATE TRIGGER wallet_alerts_refuse_removal BEFORE DELETE OR TRUNCATE ON wallet_alerts
    FOR EACH STATEMENT EXECUTE FUNCTION wallet_refuse_change();

COMMENT ON TABLE wallet_alert_watches IS 'How many runway thresholds (72 h, 24 h, 1 h) a wallet was told of in this episode, and when to look at it next.';
COMMENT ON TABLE wallet_alerts IS 'What a customer was told about their money, once an episode, with the numbers of that moment; announced once its webhooks are queued.';

GRANT SELECT, INSERT, UPDATE ON wallet_alert_watches TO syneudp_runtime;
GRANT SELECT, INSERT, UPDATE (announced) ON wallet_alerts TO syneudp_runtime;
