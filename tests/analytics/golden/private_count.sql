-- private row
SELECT COUNT(*) FROM visits
-- becomes
SELECT
  0 AS "group",
  COUNT(*) AS "f0"
FROM "visits"
