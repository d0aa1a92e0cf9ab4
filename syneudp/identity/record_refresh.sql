UPDATE web_sessions
SET access_token_sealed = $3,
    refresh_token_sealed = $4,
    access_expires_at = $5,
    refresh_claim = NULL,
    refreshing_until = NULL
WHERE id = $1
  AND refresh_claim = $2
  AND ended_at IS NULL
