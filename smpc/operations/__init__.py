"""Operations on shares; imports numpy and the session, no torch.

Layer:       smpc.operations: open_masked < arithmetic | bit_planes < inputs | comparison < selection < quantiles;
             comparison < truncation; sort_schedule | comparison < sorting; numeric: fixed_point | approximation <
             functions; inputs < gram; comparison < piecewise_linear < sigmoid_approximation; fixed_matrix |
             sigmoid_approximation | truncation < logistic. reveal stands apart: it alone opens results.
Terms:       an operation is called by every party of a session, in the same order, with the same public arguments.
Guarantees:  what travels between the parties is masked with dealer material and a fresh share of zero, so that it is
             uniform whatever the data; rounds and bytes depend on shapes and widths only, so ``smpc.cost`` knows them
             beforehand.
See instead: opening a result (``reveal``, for ``analytics.disclosure.release`` alone).
"""
