"""Layers that more than one model uses (torch)."""
