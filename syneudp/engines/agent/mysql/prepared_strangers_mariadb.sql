SELECT
    (@@performance_schema = 0)
    + (
        SELECT COUNT(*)
        FROM performance_schema.events_statements_summary_by_user_by_event_name AS counted
        WHERE
            counted.EVENT_NAME = 'statement/sql/xa_prepare'
            AND counted.COUNT_STAR > 0
            AND counted.USER <> %(username)s
    ) AS strangers
