SELECT EXISTS (
    SELECT FROM web_sessions
    WHERE ended_at IS NULL
        AND $1 IN (
            substring(access_token_sealed FROM 1 FOR length($1::bytea)), substring(refresh_token_sealed FROM 1 FOR length($1::bytea))
        )
)
