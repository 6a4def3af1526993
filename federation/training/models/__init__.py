"""The models, one file each. One line a module, lowest first.

base                    what a model is: its parameters, its units' vectors, its predictions
generalized_linear      models whose score is a weighted sum of the features
logistic_regression     a class of two
linear_regression       a number
poisson_regression      a count
multinomial_regression  a class of several
perceptron              networks with one or two hidden layers
torch                   networks that torch computes
score_histogram         counts of a trained model's scores by class, for an evaluation
registry                the models by the names that tasks use
"""
