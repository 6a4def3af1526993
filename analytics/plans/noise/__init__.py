"""How much noise a plan needs, and how a budget is divided over its figures."""
