"""Answers, budgets and statements as text on a terminal."""
