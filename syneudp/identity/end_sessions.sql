UPDATE web_sessions
SET ended_at = $2,
    ended_because = $3,
    access_token_sealed = NULL,
    refresh_token_sealed = NULL,
    refresh_claim = NULL,
    refreshing_until = NULL
WHERE id = ANY ($1)
  AND ended_at IS NULL
