"""Integer probability models and the range coder: the same bits on every machine.

Nothing here rounds a float: networks run on integers (held in float64 where a matrix product is
exact), and every table comes from an integer formula. NumPy only.
"""
