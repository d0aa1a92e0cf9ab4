SELECT USER AS username, CAST(SUM(COUNT_STAR) AS SIGNED) AS transactions
FROM performance_schema.events_transactions_summary_by_user_by_event_name
WHERE USER IS NOT NULL
GROUP BY USER
