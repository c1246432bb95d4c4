"""Flow files that the project reads and does not write."""

from pathlib import Path

import numpy as np


def write_pfm(path: Path, vectors: np.ndarray, little: bool = True) -> None:
    """Flow (H, W, 2) as FlyingThings3D keeps it: three channels, rows from the bottom up."""
    height, width = vectors.shape[:2]
    values = np.dstack((vectors, np.full((height, width), 9.0)))[::-1]
    header = f"PF\n{width} {height}\n{-1.0 if little else 1.0}\n".encode()
    path.write_bytes(header + values.astype("<f4" if little else ">f4").tobytes())


def write_flo5(path: Path, vectors: np.ndarray) -> None:
    """Flow (H, W, 2) as Spring keeps it: HDF5, packed."""
    import h5py

    with h5py.File(path, "w") as file:
        file.create_dataset("flow", data=vectors, compression="gzip", compression_opts=5)
