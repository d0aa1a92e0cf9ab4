CREATE TABLE aerich (
  id serial PRIMARY KEY,
  version varchar(255) NOT NULL,
  app varchar(100) NOT NULL,
  content jsonb NOT NULL
);
GRANT SELECT ON aerich TO syneudp_runtime;

CREATE TABLE idempotency_keys (
  owner_id uuid NOT NULL,
  scope text NOT NULL CONSTRAINT idempotency_keys_scope_short CHECK (char_length(scope) BETWEEN 1 AND 64),
  key text NOT NULL CONSTRAINT idempotency_keys_key_short CHECK (char_length(key) BETWEEN 1 AND 255),
  digest bytea NOT NULL CONSTRAINT idempotency_keys_digest_sha256 CHECK (octet_length(digest) = 32),
  target_id uuid,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT idempotency_keys_pkey PRIMARY KEY (owner_id, scope, key)
);
GRANT SELECT, INSERT, UPDATE (target_id) ON idempotency_keys TO syneudp_runtime;

CREATE TABLE sealing_canaries (
  holder text NOT NULL CONSTRAINT sealing_canaries_holder_form CHECK (holder ~ '^[a-z][a-z_]{1,39}$'),
  key_id text NOT NULL CONSTRAINT sealing_canaries_key_id_form CHECK (key_id ~ '^[A-Za-z0-9]{1,32}$'),
  sealed bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT sealing_canaries_pkey PRIMARY KEY (holder, key_id)
);
COMMENT ON TABLE sealing_canaries IS 'One sealed value a key that was ever held: who starts must open those of its keys.';
GRANT SELECT, INSERT ON sealing_canaries TO syneudp_runtime;

CREATE AGGREGATE sum_micros(bigint) (SFUNC = int8pl, STYPE = bigint, INITCOND = '0');

COMMENT ON AGGREGATE sum_micros(bigint) IS 'The sum as a bigint, refused where it does not fit; sum() makes a numeric of it, which costs several times as much.';
