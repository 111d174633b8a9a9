"""Which features activate a neuron, and how that moved between two stages of training.

After TX-Ray (Rethmeier, Saxena, Augenstein, UAI 2020): each token activates the units that react
most; a neuron is then a distribution of activation mass over words, tags or labels.
"""
