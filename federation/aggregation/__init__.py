"""Encrypted sum of one round, and the only place that opens it. One line a module, lowest first.

manifest    the public facts of an attempt: run, round, attempt, cohort, layout, key
secure_sum  the aggregator: exactly one encrypted update of every site of the cohort, and their sum
shared_sum  the sum by secret sharing among the sites, without aggregator and key holder
claims      the key holder's durable record of the attempts that it answered
open_sum    the only place that decrypts: the key holder opens one checked sum for each attempt
service     the two helpers on the network
"""
