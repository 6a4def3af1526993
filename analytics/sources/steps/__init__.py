"""What a mapping compiles to, and what each of its steps reports.

Modules:     step (Rule, Step, Steps, StepReport and the protocol of a mapping).
"""
