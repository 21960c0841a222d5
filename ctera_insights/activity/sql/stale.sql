NOT old AND coalesce(
    CASE
        WHEN
            version IS NOT NULL AND count(version) OVER past = count(*) OVER past
            AND min(replica) OVER past = replica AND max(replica) OVER past = replica
            THEN version < max(version) OVER past
        ELSE modified < max(modified) OVER past
    END,
    false
)