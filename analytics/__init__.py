"""From a question to sufficient statistics and back.

Floor:    analytics; may import smpc and privacy_accounting, never federation.
Rooms:    errors; schema (what is public about the data); sources (each site's clean table and its one scan);
          sql (parse, bind, refuse); planning (figures, noise, guards); plan (what every site re-derives);
          mining (association rules on shares); statistics (formulas from figures to columns); contribution (a
          site's noise); guard (the minimum cell on shares); release (the door); finish and result (opened
          integers to an answer); explain (the plan for people).
Promise:  the local statement of a plan is built from the schema and the bound question, never from the user's
          text; errors carry no value of the data.
Not here: opening shares (analytics.release), budgets (privacy_accounting), the network (federation).
"""
