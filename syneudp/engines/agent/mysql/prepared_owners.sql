SELECT
    known.PROCESSLIST_USER AS username,
    begun.XID_FORMAT_ID AS format_id,
    begun.XID_GTRID AS global_part,
    begun.XID_BQUAL AS branch
FROM performance_schema.events_transactions_current AS begun
INNER JOIN performance_schema.threads AS known ON known.THREAD_ID = begun.THREAD_ID
WHERE begun.XA_STATE = 'PREPARED' AND known.PROCESSLIST_USER IS NOT NULL
