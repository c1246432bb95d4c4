"""Measuring video codecs: sequences, anchors, curves of whole files, BD-rates."""
