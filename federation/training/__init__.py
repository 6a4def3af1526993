"""Federated model training: each round is one encrypted integer sum. One line a module, lowest first.

options             parameters that only one model or one strategy knows
features            features and outcome of a table as numbers between -1 and 1, from public bounds and domains alone
optimizer           the public model and its step, in exact integers: the same at every party
models/             what is learned: one file a model, found by its name in ``models.registry``
strategies/         how it is learned: one file a strategy, found by its name in ``strategies.registry``
task                what an analyst asks to be trained; reports every mistake at once
round_price         noise and price of a round
cohort_rules        which sites may be the cohort of an attempt
strategy_rules      what a strategy cannot train, and what an epsilon does not cover
round_plan          grid, clip, layout and charge of one attempt of a round; derived by every party
local_update        one site's part: units' vectors, clipped, truncated, summed, clamped, noised
prepared_updates    a site's sums that are computed and not yet part of an attempt
run_state           the run as a pure state machine: rounds, attempts, cohort, when to stop
entry_check         from a complete ledger entry to its attempt: every party's own check
site_worker         a site's side of a run: note, compute, encrypt, send, follow the opened sums
helpers             the pinned public key, and the names of the two helpers
ready_sites         the sites that announced a sum, of which the next cohort is taken
coordinator         the analyst's side of a run: acceptance at every site, then charge, start, gather, step
scores              figures of predictions on the caller's own rows
estimators          trained models with the habits of scikit-learn, such as ``FederatedLogisticRegression``
own_models          what a strategy that keeps a state leaves at a site, for the site's own people
model_file          reads a saved model of any kind
figures/            figures of merit that are made of opened sums
evaluation          figures of a model over all sites' rows, from one noisy release
"""
