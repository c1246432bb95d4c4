"""One picture through several codecs at about the same number of bytes, to be looked at."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flowcodec.evaluation.metrics import Pixels, psnr
from flowcodec.evaluation.peers import Peer, fit_bytes
from flowcodec.evaluation.run import Codec, rgb_pixels
from flowcodec.media.picture import Picture


@dataclass(frozen=True)
class Shot:
    """A picture through one codec: the file and what comes back from it.

    `suffix` is that of such files; `psnr` is in dB. `fits` is False where even the codec's
    smallest file is larger than ours.
    """

    codec: str
    suffix: str
    data: bytes
    decoded: Picture
    psnr: float
    fits: bool

    @property
    def pixels(self) -> Pixels:
        """What came back as RGB, uint8 (H, W, 3)."""
        return rgb_pixels(self.decoded)

    @property
    def bpp(self) -> float:
        """Bits a pixel of the whole file."""
        return len(self.data) * 8 / (self.decoded.height * self.decoded.width)


def equal_bytes(
    codec: Codec, title: str, picture: Picture, quality: float, peers: Sequence[Peer]
) -> Iterator[Shot]:
    """Code a picture with `codec` at `quality`, then with each peer at that size or below.

    Yields ours first, under the name `title`, then the peers in their order. The peers code
    RGB: gray is repeated three times, alpha and metadata are left out.
    """
    original = rgb_pixels(picture)
    data = codec.encode(picture, quality).data
    decoded = codec.decode(data)
    yield Shot(title, ".fci", data, decoded, psnr(original, rgb_pixels(decoded)), fits=True)
    for peer in peers:
        coded = fit_bytes(peer, original, len(data))
        yield Shot(
            codec=peer.title,
            suffix=peer.suffix,
            data=coded.data,
            decoded=Picture(coded.pixels),
            psnr=psnr(original, coded.pixels),
            fits=coded.fits,
        )
