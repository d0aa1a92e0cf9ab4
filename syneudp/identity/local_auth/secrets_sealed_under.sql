SELECT EXISTS (
    SELECT FROM local_auth_signing_keys WHERE substring(private_key_sealed FROM 1 FOR length($1::bytea)) = $1
) OR EXISTS (
    SELECT FROM local_auth_sessions WHERE substring(refresh_key_sealed FROM 1 FOR length($1::bytea)) = $1
)
