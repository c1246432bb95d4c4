"""Measuring optical flow: errors against the truth, prediction of video, other methods, tables."""
