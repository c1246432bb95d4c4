"""Measuring video codecs: sequences, peers, curves of whole files, BD-rates."""
