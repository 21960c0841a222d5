(
    SELECT s.*
    FROM (SELECT * FROM {relation}{beyond}) s
    ANTI JOIN (SELECT feed, replaces FROM (SELECT * FROM {relation}{beyond}) WHERE replaces IS NOT NULL) r
        ON r.feed = s.feed AND r.replaces = s.rid
)
