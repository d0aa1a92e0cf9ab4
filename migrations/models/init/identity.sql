CREATE TABLE users (
    id uuid PRIMARY KEY,
    email text NOT NULL,
    created_at bigint NOT NULL
);

CREATE TABLE web_sessions (
    id uuid PRIMARY KEY,
    secret_hash bytea NOT NULL,
    user_id uuid NOT NULL,
    auth_session_id uuid NOT NULL,
    access_token_sealed bytea,
    refresh_token_sealed bytea,
    access_expires_at bigint NOT NULL,
    refresh_claim uuid,
    refreshing_until bigint,
    created_at bigint NOT NULL,
    last_seen_at bigint NOT NULL,
    ended_at bigint,
    ended_because text,
    address text NOT NULL,
    user_agent text NOT NULL,
    CONSTRAINT web_sessions_secret_hash_unique UNIQUE (secret_hash),
    CONSTRAINT web_sessions_secret_hash_length CHECK (octet_length(secret_hash) = 32),
    CONSTRAINT web_sessions_user_known FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT web_sessions_tokens_until_ended CHECK (
        (ended_at IS NULL) = (access_token_sealed IS NOT NULL) AND (ended_at IS NULL) = (refresh_token_sealed IS NOT NULL)
    ),
    CONSTRAINT web_sessions_end_has_reason CHECK (
        (ended_at IS NULL) = (ended_because IS NULL)
        AND ended_because IN ('sign_out', 'replaced', 'refused', 'idle', 'lifetime')
    ),
    CONSTRAINT web_sessions_claim_has_lease CHECK (refresh_claim IS NULL OR refreshing_until IS NOT NULL),
    CONSTRAINT web_sessions_address_length CHECK (length(address) <= 64),
    CONSTRAINT web_sessions_user_agent_length CHECK (length(user_agent) <= 400)
) WITH (fillfactor = 80);

CREATE INDEX web_sessions_live_of_user ON web_sessions (user_id) WHERE ended_at IS NULL;

CREATE TABLE audit_events (
    id uuid PRIMARY KEY,
    user_id uuid,
    actor text NOT NULL,
    act text NOT NULL,
    subject text NOT NULL,
    address text NOT NULL,
    user_agent text NOT NULL,
    reason text NOT NULL DEFAULT '',
    happened_at bigint NOT NULL,
    CONSTRAINT audit_events_user_known FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT audit_events_actor_length CHECK (length(actor) BETWEEN 1 AND 200),
    CONSTRAINT audit_events_act_form CHECK (act ~ '^[a-z][a-z_]{1,39}$'),
    CONSTRAINT audit_events_subject_length CHECK (length(subject) <= 200),
    CONSTRAINT audit_events_address_length CHECK (length(address) <= 64),
    CONSTRAINT audit_events_user_agent_length CHECK (length(user_agent) <= 400),
    CONSTRAINT audit_events_reason_length CHECK (length(reason) <= 400)
);

CREATE INDEX audit_events_of_user ON audit_events (user_id, id DESC);

CREATE FUNCTION identity_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$body$;

CREATE TRIGGER audit_events_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION identity_refuse_change();

CREATE TABLE local_auth_users (
    id uuid PRIMARY KEY,
    email text NOT NULL,
    password_hash text NOT NULL,
    user_metadata text NOT NULL,
    email_confirmed_at bigint,
    last_sign_in_at bigint,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    CONSTRAINT local_auth_users_email_unique UNIQUE (email),
    CONSTRAINT local_auth_users_email_form CHECK (email = lower(email) AND length(email) BETWEEN 3 AND 254),
    CONSTRAINT local_auth_users_password_hash_form CHECK (password_hash LIKE '$argon2id$%')
);

CREATE TABLE local_auth_sessions (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    refresh_key_sealed bytea NOT NULL,
    refresh_counter bigint NOT NULL,
    refreshed_at bigint NOT NULL,
    created_at bigint NOT NULL,
    CONSTRAINT local_auth_sessions_user_known FOREIGN KEY (user_id) REFERENCES local_auth_users (id) ON DELETE CASCADE,
    CONSTRAINT local_auth_sessions_counter_positive CHECK (refresh_counter >= 0)
);

CREATE INDEX local_auth_sessions_of_user ON local_auth_sessions (user_id);

CREATE TABLE local_auth_signing_keys (
    id uuid PRIMARY KEY,
    state text NOT NULL,
    private_key_sealed bytea,
    public_jwk text NOT NULL,
    created_at bigint NOT NULL,
    CONSTRAINT local_auth_signing_keys_state_known CHECK (state IN ('standby', 'in_use', 'previously_used', 'revoked')),
    CONSTRAINT local_auth_signing_keys_private_until_revoked CHECK ((state = 'revoked') = (private_key_sealed IS NULL))
);

CREATE UNIQUE INDEX local_auth_signing_keys_one_in_use ON local_auth_signing_keys (state) WHERE state = 'in_use';
CREATE UNIQUE INDEX local_auth_signing_keys_one_standby ON local_auth_signing_keys (state) WHERE state = 'standby';

COMMENT ON TABLE users IS 'Customers, keyed by the auth server''s user id; the address is as its last accepted token told it.';
COMMENT ON TABLE web_sessions IS 'Console sessions: the cookie''s secret hashed, the auth server''s tokens sealed and gone once ended. refreshing_until is a lease: with refresh_claim a refresh is under way, without one it failed and rests.';
COMMENT ON TABLE audit_events IS 'Who did what, when, from where. Append-only.';
COMMENT ON TABLE local_auth_users IS 'The local auth server''s own; nothing else reads it.';

REVOKE ALL ON FUNCTION identity_refuse_change() FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE (email) ON users TO syneudp_runtime;
GRANT SELECT, INSERT ON web_sessions TO syneudp_runtime;
GRANT UPDATE (
    access_token_sealed, refresh_token_sealed, access_expires_at, refresh_claim, refreshing_until, last_seen_at, ended_at, ended_because
) ON web_sessions TO syneudp_runtime;
GRANT SELECT, INSERT ON audit_events TO syneudp_runtime;
GRANT SELECT, INSERT, UPDATE, DELETE ON local_auth_users, local_auth_sessions TO syneudp_runtime;
GRANT SELECT, INSERT, UPDATE ON local_auth_signing_keys TO syneudp_runtime;
