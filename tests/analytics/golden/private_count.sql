-- private row
SELECT COUNT(*) FROM visits
-- becomes
SELECT
  CAST(0 AS BIGINT) AS "group",
  COUNT(*) AS "f0"
FROM "visits"
