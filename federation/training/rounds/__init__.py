"""The plan of a training before it starts: its rounds, cohorts and prices."""
