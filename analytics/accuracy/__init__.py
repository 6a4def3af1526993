"""Questions by accuracy: from a stated accuracy to the cheapest release that reaches it, and back.

Modules:     goal (what is asked for), search (the epsilon that reaches it, the accuracy of an epsilon).
"""
