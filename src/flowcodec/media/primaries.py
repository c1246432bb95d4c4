"""Primaries of a colour space: from their chromaticities to matrices.

Chromaticities are x and y of white, red, green and blue.
"""

import numpy as np
from numpy.typing import NDArray

Chromaticities = tuple[float, ...]

D50 = (0.9642, 1.0, 0.8249)
D65 = (0.3127, 0.3290)
_C = (0.310, 0.316)

BT709: Chromaticities = (*D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)

# By the numbers of ITU-T H.273, which PNG's cICP and the colr box of AVIF share.
BY_CODE: dict[int, Chromaticities] = {
    1: BT709,
    4: (*_C, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    8: (*_C, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),
    9: (*D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: (*D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}

_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def to_xyz(chromaticities: Chromaticities) -> NDArray[np.float64]:
    """The matrix (3, 3) from light of these primaries to XYZ of white D50.

    ValueError where the primaries span no colour space.
    """
    white = _white(chromaticities)
    columns = np.stack([_upright(*chromaticities[i : i + 2]) for i in (2, 4, 6)], axis=1)
    if abs(np.linalg.det(columns)) < 1e-3:
        raise ValueError("the primaries lie on a line")
    shares = np.linalg.solve(columns, white)
    if shares.min() <= 0:
        raise ValueError("white is not a mixture of the primaries")
    return adaptation(chromaticities) @ (columns * shares)


def adaptation(chromaticities: Chromaticities) -> NDArray[np.float64]:
    """The matrix (3, 3) from XYZ of this white to XYZ of white D50, by Bradford."""
    there, here = _BRADFORD @ np.array(D50), _BRADFORD @ _white(chromaticities)
    adapted: NDArray[np.float64] = np.linalg.inv(_BRADFORD) @ np.diag(there / here) @ _BRADFORD
    return adapted


def between(source: Chromaticities, target: Chromaticities) -> NDArray[np.float64]:
    """The matrix (3, 3) from light of one set of primaries to that of another."""
    return np.linalg.inv(to_xyz(target)) @ to_xyz(source)


def _white(chromaticities: Chromaticities) -> NDArray[np.float64]:
    x, y = chromaticities[:2]
    if not 0.01 < x < 0.99 or not 0.01 < y < 0.99 or x + y >= 1:
        raise ValueError("white is no colour")
    return _upright(x, y) / y


def _upright(x: float, y: float) -> NDArray[np.float64]:
    return np.array([x, y, 1 - x - y])
