-- private row
SELECT SUM(CASE WHEN temp > 38 OR age < 1 THEN 2 * temp - 0.05 END) FROM visits
-- becomes
SELECT
  0 AS "group",
  COALESCE(SUM(CASE WHEN (("temp" > 380) OR ("age" < 1)) THEN ((4 * "temp") - 1) ELSE NULL END), 0) AS "f0"
FROM "visits"
