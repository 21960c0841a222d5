CREATE OR REPLACE TEMP TABLE raw AS
SELECT raw.* REPLACE (places.pos AS pos)
FROM raw
JOIN places USING (seq)
