-- exact row
SELECT k, COUNT(*) AS n, AVG(age) AS age, AVG(b) AS share FROM visits GROUP BY k
-- becomes
SELECT
  COALESCE("k", 2) AS "group",
  COUNT(*) AS "f0",
  COUNT("age") AS "f1",
  COALESCE(SUM("age"), 0) AS "f2",
  COUNT("b") AS "f3",
  COALESCE(SUM(CAST("b" AS BIGINT)), 0) AS "f4",
  COUNT(CASE WHEN ("age" > 0) THEN 1 ELSE NULL END) AS "f5",
  COUNT(CASE WHEN ("age" < 120) THEN 1 ELSE NULL END) AS "f6",
  COUNT(CASE WHEN "b" THEN 1 ELSE NULL END) AS "f7",
  COUNT(CASE WHEN (NOT "b") THEN 1 ELSE NULL END) AS "f8"
FROM "visits"
WHERE "age" IS NOT NULL AND "b" IS NOT NULL
GROUP BY 1
