"""Federated model training: each round is one encrypted integer sum. One line a module, lowest first.

helpers             the pinned public key, and the names of the two helpers
task                what an analyst asks to be trained; reports every mistake at once
features            features of a table as numbers between -1 and 1, from public bounds and domains alone
optimizer           the model and its step, in exact integers: the same at every party
round_plan          grid, clip, noise, layout and price of one attempt of a round; derived by every party
local_update        one site's part: per-unit gradients, clipped, truncated, summed, clamped, noised
run_state           the run as a pure state machine: rounds, attempts, cohort, when to stop
entry_check         from a complete ledger entry to its attempt: every party's own check
site_worker         a site's side of a run: note, compute, encrypt, send, follow the opened sums
coordinator         the analyst's side of a run: charge, start, gather, step
training_session    the analyst's side of a training: acceptance at every site, then the run
models/             the models, such as ``FederatedLogisticRegression`` with the habits of scikit-learn
"""
