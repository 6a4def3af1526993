"""The encrypted sum of one round and its only door, one line a module, bottom floor first.

manifest    what the parties of a round agreed on: run, round, attempt, cohort, layout, key
secure_sum  the aggregator: exactly one encrypted update of every site of the cohort, and their sum
answers     the key holder's durable memory of what it answered
open_sum    the door for ciphertexts: the key holder opens one checked sum an attempt
messages    the words between sites, aggregator, key holder and analyst
service     the two helper roles on the network
"""
