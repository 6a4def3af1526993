"""Federated model training: each round one encrypted integer sum, one line a module, bottom floor first.

task        what an analyst asks to be trained; every mistake at once
encoding    features of a table as numbers between -1 and 1, from public bounds and domains alone
descent     the model and its step, in exact integers: the same at every party
plan        what one attempt of a round is: grid, clip, noise, layout, price; derived by every party
readiness   what a site's administrator should know before a training: for that site alone
local       one site's part: per-unit gradients, clipped, truncated, summed, clamped, noised
rounds      the run as a pure state machine: rounds, attempts, cohort, when to stop
agreement   from a complete ledger entry to what its attempt agreed on: every party's own check
site        a site's side of a run: note, compute, encrypt, send, follow the opened sums
drive       the analyst's side of a run: charge, start, gather, step
model       ``FederatedLogisticRegression`` with the habits of scikit-learn
"""
