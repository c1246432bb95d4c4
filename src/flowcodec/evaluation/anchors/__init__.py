"""Codecs to compare with: those that can be run here, and curves that others published.

Each name below is importable from `flowcodec.evaluation.anchors`.
"""

from flowcodec.evaluation.anchors.published import (
    PUBLISHED,
    PublishedCurve,
    curves_named,
    is_kodak,
    published_curves,
)
from flowcodec.evaluation.anchors.still import ANCHORS, Anchor, Coded, anchor_named, fit_bytes

__all__ = [
    "ANCHORS",
    "Anchor",
    "Coded",
    "PUBLISHED",
    "PublishedCurve",
    "anchor_named",
    "curves_named",
    "fit_bytes",
    "is_kodak",
    "published_curves",
]
