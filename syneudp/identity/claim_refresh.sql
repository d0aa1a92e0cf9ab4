UPDATE web_sessions
SET refresh_claim = $2,
    refreshing_until = $3
WHERE id = $1
  AND ended_at IS NULL
  AND access_expires_at = $5
  AND (refreshing_until IS NULL OR refreshing_until <= $4)
