-- private unit
SELECT k, COUNT(DISTINCT pid) AS patients FROM visits GROUP BY k
-- becomes
SELECT
  COALESCE("k", 2) AS "group",
  COUNT(DISTINCT "#unit") AS "f0"
FROM "visits"
GROUP BY 1
