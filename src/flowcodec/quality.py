"""The scale of qualities, and what an error is worth at each: one place for all systems.

Qualities are real numbers from 1 to 8; files hold thousandths. Whole numbers are the anchors, at
which networks have vectors of their own.
"""

ANCHORS = 8
COARSEST, FINEST = 1000, 1000 * ANCHORS  # thousandths

# Of the anchors: bits a pixel that a squared error of 1, in 255ths, is worth; and 1 - MS-SSIM.
MSE_LAMBDAS = [0.0018, 0.0035, 0.0067, 0.0130, 0.0250, 0.0483, 0.0932, 0.1800]
MS_SSIM_LAMBDAS = [2.40, 4.58, 8.73, 16.64, 31.73, 60.50, 115.37, 220.0]
MS_SSIM_MIN_SIDE = 161  # pixels: five scales of an 11-tap window, (11 - 1) * 2**4 + 1

BIT_PRICE = 0.12  # squared error, in steps of the quantiser, that a bit is worth to an encoder


def lambdas_of(metric: str) -> list[float]:
    """lambda of the anchors, for a distortion on the scale of [0, 1]; "yuv" has those of "mse"."""
    if metric == "ms-ssim":
        return MS_SSIM_LAMBDAS
    return [value * 255**2 for value in MSE_LAMBDAS]


def lambda_at(metric: str, quality: float) -> float:
    """lambda at a real quality, geometric between anchors."""
    low = min(int(quality), ANCHORS - 1)
    first, second = lambdas_of(metric)[low - 1 : low + 1]
    return float(first * (second / first) ** (quality - low))
