"""The strategies, one file each. One line a module, lowest first.

base          what a strategy is: what a site sends, how an opened sum moves the model, in which form it is private
sum_gradient  one clipped sum of gradients a round
buffered      the same, of those sites that are ready
adaptive      the same, with a step of its own for each parameter
fedavg        each site takes some steps of its own, and the model moves by the mean of their moves
fedprox       the same, with local steps that are pulled back
compressed    the same, with few bits of a part of the moves in each round
own_heads     the same, with a head that each site keeps
fedbn         the same, with shifts and normalisation that each site keeps
scaffold      fedavg, with local steps corrected by what the other sites' gradients have been
ditto         fedavg, and beside it a model of each site's own that is pulled to the public one
q_fair        fedavg, in which sites with a larger loss weigh more
collected     the opened sum as it is, for an evaluation
registry      the strategies by the names that tasks use
"""
