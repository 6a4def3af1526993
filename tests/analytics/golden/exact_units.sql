-- exact unit
SELECT AVG(temp) FROM visits WHERE k = 'red'
-- becomes
SELECT
  0 AS "group",
  COUNT("temp") FILTER (WHERE ("k" IN (0))) AS "f0",
  COALESCE(SUM("temp") FILTER (WHERE ("k" IN (0))), 0) AS "f1",
  COUNT(DISTINCT "#unit") FILTER (WHERE ("k" IN (0)) AND "temp" IS NOT NULL) AS "f2",
  COUNT(DISTINCT "#unit") FILTER (WHERE ("k" IN (0)) IS NOT TRUE AND "temp" IS NOT NULL) AS "f3",
  COUNT(DISTINCT "#unit") FILTER (WHERE ("k" IN (0)) AND CASE WHEN ("temp" > 300) THEN 1 ELSE NULL END IS NOT NULL) AS "f4",
  COUNT(DISTINCT "#unit") FILTER (WHERE ("k" IN (0)) AND CASE WHEN ("temp" < 450) THEN 1 ELSE NULL END IS NOT NULL) AS "f5"
FROM "visits"
