SELECT session.id,
       session.auth_session_id,
       session.access_token_sealed,
       session.refresh_token_sealed,
       session.access_expires_at,
       session.refresh_claim,
       session.refreshing_until,
       session.created_at,
       session.last_seen_at,
       users.id AS user_id,
       users.email,
       users.created_at AS user_created_at
FROM web_sessions AS session
JOIN users ON users.id = session.user_id
WHERE session.secret_hash = $1
  AND session.ended_at IS NULL
