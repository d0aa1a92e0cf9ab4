WITH connected AS (
    SELECT
        activity.pid,
        kept.instance_id,
        kept.max_connections,
        kept.statement_seconds > 0
        AND activity.state IN ('active', 'fastpath function call')
        AND clock_timestamp() - activity.query_start >= make_interval(secs => kept.statement_seconds) AS runs_too_long,
        clock_timestamp() - activity.query_start
        >= make_interval(secs => kept.statement_seconds + $1::double precision) AS ignores_cancelling,
        kept.idle_transaction_seconds > 0
        AND activity.state LIKE 'idle in transaction%'
        AND clock_timestamp() - activity.state_change
        >= make_interval(secs => kept.idle_transaction_seconds) AS idles_too_long,
        row_number() OVER (PARTITION BY kept.instance_id ORDER BY activity.backend_start, activity.pid) AS place
    FROM pg_stat_activity AS activity
    JOIN registry.instances AS kept ON kept.username = activity.usename
    WHERE activity.backend_type = 'client backend' AND kept.state = 'running'
),

judged AS MATERIALIZED (
    SELECT
        pid,
        instance_id,
        CASE
            WHEN place > max_connections THEN 'connections'
            WHEN idles_too_long THEN 'idle_transaction'
            WHEN runs_too_long THEN 'statement'
        END AS overrun,
        place > max_connections OR idles_too_long OR ignores_cancelling AS ends_session
    FROM connected
    WHERE place > max_connections OR idles_too_long OR runs_too_long
)

SELECT
    instance_id,
    overrun,
    ends_session,
    CASE WHEN ends_session THEN pg_terminate_backend(pid) ELSE pg_cancel_backend(pid) END AS signalled
FROM judged
