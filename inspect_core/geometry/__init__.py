"""The landscape of representations along the layers: dimension, density peaks, overlaps.

After "The representation landscape of few-shot learning and fine-tuning in large language models"
(Doimo, Serra, Ansuini, Cazzaniga, NeurIPS 2024). The measures are ours, by the published formulas.
"""
