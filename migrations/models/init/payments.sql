CREATE TABLE payments (
    id uuid PRIMARY KEY,
    wallet_id uuid NOT NULL,
    provider text NOT NULL,
    request_id uuid NOT NULL,
    amount_micros bigint NOT NULL,
    currency text NOT NULL,
    status text NOT NULL DEFAULT 'pending',
    checkout_id text,
    checkout_url text,
    payment_id text,
    receipt_url text,
    failure text NOT NULL DEFAULT '',
    asked integer NOT NULL DEFAULT 0,
    ask_at bigint,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    CONSTRAINT payments_request_once UNIQUE (provider, request_id),
    CONSTRAINT payments_checkout_once UNIQUE (provider, checkout_id),
    CONSTRAINT payments_payment_once UNIQUE (provider, payment_id),
    CONSTRAINT payments_wallet_known FOREIGN KEY (wallet_id) REFERENCES wallets (id),
    CONSTRAINT payments_amount_positive CHECK (amount_micros > 0),
    CONSTRAINT payments_currency_form CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT payments_provider_form CHECK (provider ~ '^[a-z][a-z0-9_]{0,39}$'),
    CONSTRAINT payments_status_known CHECK (status IN ('pending', 'processing', 'paid', 'failed', 'expired')),
    CONSTRAINT payments_paid_is_named CHECK (status <> 'paid' OR payment_id IS NOT NULL),
    CONSTRAINT payments_open_is_asked CHECK ((status IN ('pending', 'processing')) = (ask_at IS NOT NULL)),
    CONSTRAINT payments_checkout_whole CHECK ((checkout_id IS NULL) = (checkout_url IS NULL)),
    CONSTRAINT payments_names_length CHECK (
        char_length(checkout_id) BETWEEN 1 AND 255 AND char_length(payment_id) BETWEEN 1 AND 255
        AND char_length(checkout_url) <= 4000 AND char_length(receipt_url) <= 4000 AND char_length(failure) <= 40
    ),
    CONSTRAINT payments_expire_later CHECK (expires_at > created_at AND asked >= 0)
) WITH (fillfactor = 80);

CREATE INDEX payments_by_wallet ON payments (wallet_id, created_at);
CREATE INDEX payments_due ON payments (ask_at) WHERE ask_at IS NOT NULL;

CREATE TABLE payment_reversals (
    provider text NOT NULL,
    reversal_id text NOT NULL,
    payment_id uuid NOT NULL,
    kind text NOT NULL,
    amount_micros bigint NOT NULL,
    taken_id uuid,
    given_back_id uuid,
    undone boolean NOT NULL,
    created_at bigint NOT NULL,
    CONSTRAINT payment_reversals_pkey PRIMARY KEY (provider, reversal_id),
    CONSTRAINT payment_reversals_payment_known FOREIGN KEY (payment_id) REFERENCES payments (id),
    CONSTRAINT payment_reversals_taken_known FOREIGN KEY (taken_id) REFERENCES transfers (id),
    CONSTRAINT payment_reversals_given_back_known FOREIGN KEY (given_back_id) REFERENCES transfers (id),
    CONSTRAINT payment_reversals_kind_known CHECK (kind IN ('refund', 'dispute')),
    CONSTRAINT payment_reversals_amount_positive CHECK (amount_micros > 0),
    CONSTRAINT payment_reversals_id_length CHECK (char_length(reversal_id) BETWEEN 1 AND 255),
    CONSTRAINT payment_reversals_whole CHECK (
        (taken_id IS NOT NULL OR undone) AND (given_back_id IS NOT NULL) = (undone AND taken_id IS NOT NULL)
    )
);

CREATE INDEX payment_reversals_by_payment ON payment_reversals (payment_id);

CREATE TABLE payment_events (
    provider text NOT NULL,
    event_id text NOT NULL,
    received_at bigint NOT NULL,
    CONSTRAINT payment_events_pkey PRIMARY KEY (provider, event_id),
    CONSTRAINT payment_events_id_length CHECK (char_length(event_id) BETWEEN 1 AND 255)
);

CREATE INDEX payment_events_by_age ON payment_events (received_at);

CREATE TABLE payment_polls (
    provider text PRIMARY KEY,
    through_at bigint NOT NULL
);

CREATE FUNCTION payments_check_change() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    IF (OLD.status = 'paid' AND NEW.status <> 'paid')
        OR (OLD.payment_id IS NOT NULL AND NEW.payment_id IS DISTINCT FROM OLD.payment_id)
        OR (OLD.checkout_id IS NOT NULL AND NEW.checkout_id IS DISTINCT FROM OLD.checkout_id) THEN
        RAISE EXCEPTION 'payment % stays what it is', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE FUNCTION payment_reversals_check_change() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    IF OLD.undone OR NEW.taken_id IS DISTINCT FROM OLD.taken_id THEN
        RAISE EXCEPTION 'reversal % is settled', OLD.reversal_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER payments_stay BEFORE UPDATE ON payments
    FOR EACH ROW EXECUTE FUNCTION payments_check_change();
CREATE TRIGGER payment_reversals_stay BEFORE UPDATE ON payment_reversals
    FOR EACH ROW EXECUTE FUNCTION payment_reversals_check_change();

COMMENT ON TABLE payments IS 'Wishes to put money in, written before the provider is told; the books know them as top_ups once paid.';
COMMENT ON TABLE payment_reversals IS 'Refunds and disputes by the provider''s own id: what each took, and what came back of it.';
COMMENT ON TABLE payment_events IS 'Events of the provider that are dealt with, remembered with their effects; bookkeeping, not what makes a credit unique.';
COMMENT ON TABLE payment_polls IS 'How far a provider''s events have been read by asking.';

GRANT SELECT, INSERT,
    UPDATE (status, checkout_id, checkout_url, payment_id, receipt_url, failure, asked, ask_at) ON payments
    TO syneudp_runtime;
GRANT SELECT, INSERT, UPDATE (given_back_id, undone) ON payment_reversals TO syneudp_runtime;
GRANT SELECT, INSERT, DELETE ON payment_events TO syneudp_runtime;
GRANT SELECT, INSERT, UPDATE (through_at) ON payment_polls TO syneudp_runtime;
