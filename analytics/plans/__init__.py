"""Plans: from a bound question to the plan that every site derives again."""
