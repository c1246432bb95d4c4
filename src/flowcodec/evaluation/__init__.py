"""Measuring: quality metrics, BD-rate, other codecs to compare with, tables, plots and sheets."""
