"""Statistics: which integers a site contributes, and the formulas from the opened ones, with the noise's errors.

Modules:     blocks (integers with sensitivities), estimates, intervals (what the noise leaves open), bounded (private
             answers in their range), aggregate (the interface of an SQL aggregate), moments (the aggregates),
             registry (the list of all).
"""
