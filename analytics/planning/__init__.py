"""From a bound question to the figures that sites contribute.

Rooms: context (what the consortium fixes), figures (blocks of integers and their bounds), layout (which
       blocks a
question needs), rules (what each mode refuses), noise (weights and variances), guards (what shares must
satisfy), statement (the one local scan).
"""
