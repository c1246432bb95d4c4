"""Codecs to compare with: those that can be run here, and curves that others published.

Each name below is importable from `flowcodec.evaluation.peers`.
"""

from flowcodec.evaluation.peers.published import (
    PUBLISHED,
    PublishedCurve,
    curves_named,
    is_kodak,
    published_curves,
)
from flowcodec.evaluation.peers.still import PEERS, Coded, Peer, fit_bytes, peer_named

__all__ = [
    "PEERS",
    "Peer",
    "Coded",
    "PUBLISHED",
    "PublishedCurve",
    "peer_named",
    "curves_named",
    "fit_bytes",
    "is_kodak",
    "published_curves",
]
