"""Forward passes over texts: what the modules of a model give for each token, as it comes.

`texts/` reads the file, `words.py` and `batch.py` lay it out, `loading.py` makes a model that
runs, `passes.py` runs it once a batch with hooks on the modules that are asked for.
"""
