"""Ask the price first, then a private question, then look at what is left."""

from hospitals import open_session

QUESTION = "SELECT sex, COUNT(thalach) AS measured, AVG(thalach) AS heart_rate FROM patients GROUP BY sex"

with open_session() as session:
    print(session.explain(QUESTION, epsilon=0.5))
    answer = session.sql(QUESTION, epsilon=0.5, purpose="example")
    print(answer.frame)
    print(answer.interval(0.95))
    print(session.budget()[["sub_budget", "fraction_spent", "largest_epsilon_that_fits"]])
