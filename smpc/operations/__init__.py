"""What the parties compute on shares; knows numpy and the session, no torch.

Layer:       smpc.operations: opening < arithmetic | planes < inputs | comparison < selection < order; comparison <
             truncation < fixed_point | approximation < functions; buckets | comparison < sorting; inputs < gram;
             comparison < lines < sigmoid_lines; fixed_matrix | sigmoid_lines | truncation < logistic; reveal stands
             apart, as the door.
Terms:       an operation is called by every party of a session, in the same order, with the same public arguments.
Guarantees:  what travels between the parties is masked with dealer material and a fresh share of zero, so that it is
             uniform whatever the data; rounds and bytes depend on shapes and widths only, so ``smpc.cost`` knows them
             beforehand.
See instead: opening a result (``reveal``, for ``analytics.disclosure.release`` alone).
"""
