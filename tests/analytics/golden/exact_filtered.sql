-- exact row
SELECT COUNT(*), SUM(b) FROM visits WHERE age >= 40
-- becomes
SELECT
  0 AS "group",
  COUNT(*) FILTER (WHERE ("age" >= 40)) AS "f0",
  COALESCE(SUM(CAST("b" AS BIGINT)) FILTER (WHERE ("age" >= 40)), 0) AS "f1",
  COUNT(*) FILTER (WHERE ("age" >= 40) IS NOT TRUE) AS "f2",
  COUNT("b") FILTER (WHERE ("age" >= 40)) AS "f3",
  COUNT("b") FILTER (WHERE ("age" >= 40) IS NOT TRUE) AS "f4",
  COUNT(CASE WHEN "b" THEN 1 ELSE NULL END) FILTER (WHERE ("age" >= 40)) AS "f5",
  COUNT(CASE WHEN (NOT "b") THEN 1 ELSE NULL END) FILTER (WHERE ("age" >= 40)) AS "f6"
FROM "visits"
WHERE "b" IS NOT NULL
