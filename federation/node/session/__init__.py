"""From a complete entry to a site's share of the answer.

Rooms, bottom first: dealer_line (the way to the dealer) · meetings (sessions that open while they are signed) · afterwards
(work that goes on after its result) · runs (the run itself).
"""
