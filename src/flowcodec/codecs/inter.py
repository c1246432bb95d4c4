"""P-frames to bytes and back: the coding loop around `models.video_mofnet`.

    frame, reference ─► flow ─► y_m ─► prior ─┐
                                       ▼      ├─► one range code
        prediction ◄── warp ◄── flow, alpha   │
             └─► y_c ─► prior ────────────────┘
             └─► synthesise ─► the picture that is the next frame's reference

Flow is estimated on the encoder's side alone, by any estimator: a decoder never needs it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from flowcodec.codecs.running import device_called, running
from flowcodec.codecs.threads import limited_threads
from flowcodec.codecs.weights import Weights, inter_priors
from flowcodec.entropy.coder import Decoder, Encoder
from flowcodec.entropy.fixed_point import Map
from flowcodec.entropy.prior import ExactPrior, Ints, latent_hash
from flowcodec.errors import FlowcodecError, FormatError, WeightsError
from flowcodec.models.video_mofnet.config import STRIDE, MofNetConfig
from flowcodec.models.video_mofnet.model import Prediction, VideoMofNet
from flowcodec.nn.latents import LatentCoder

if TYPE_CHECKING:
    from flowcodec.codecs.flow import FlowEstimator

BIT_PRICE = 0.12  # squared error, in steps of the quantiser, that a bit is worth to the encoder
PRIOR_PARTS = ("motion.prior.", "codec.prior.")


@dataclass(frozen=True)
class State:
    """What a P-frame is predicted from: the frame before it as decoders have it, (H, W, 3) from 0
    to 255, and what priors see of the latents of MOFNet and CodecNet that it was coded in (None
    after an I-frame, and where priors see no such thing).

    The reference of a P-frame is not rounded: machines differ in its last digits, and in a few
    samples a rounding would make that a whole step, which the next frames spread.
    """

    reference: NDArray[np.float32]
    motion: Map | None = None
    codec: Map | None = None


@dataclass(frozen=True)
class Latents:
    """z and y of MOFNet or of CodecNet, what their prior sees beside, and what others see of y."""

    z: Ints
    y: Ints
    beside: Map | None
    seen: Map | None


@dataclass(frozen=True)
class InterFrame:
    """A coded P-frame: its range code, and the CRC-32 of the latents that it stands for."""

    data: bytes
    hash: int


class InterCodec:
    """Codes P-frames with one set of weights; quality is in thousandths, 1000 to 8000."""

    def __init__(
        self,
        weights: Weights[MofNetConfig],
        estimator: FlowEstimator | None,
        *,
        device: str = "cpu",
        threads: int | None = None,
    ):
        """estimator: of the flow that is coded; without it this codec decodes alone."""
        self.weights, self.estimator, self.threads = weights, estimator, threads
        self.device = device_called(device)
        self.priors = inter_priors(weights)
        self.prior_hash = self.priors.hash
        with torch.random.fork_rng(devices=[]):
            model = VideoMofNet(weights.config)
        restore(model, weights)
        self.model = model.to(self.device).eval()

    def start(self, frame: NDArray[np.uint8]) -> State:
        """The state after an I-frame, which decodes to (H, W, 3) samples."""
        return State(frame.astype(np.float32))

    def encode(
        self, frame: NDArray[np.uint8], state: State, quality: int
    ) -> tuple[InterFrame, State]:
        """Code a frame (H, W, 3). The state after it is what a decoder will have."""
        with running(self.threads), limited_threads(self.threads):
            model, at = self.model, self._quality(quality)
            x, reference = self._tensor(frame), self._tensor(state.reference)
            flow = None if self.estimator is None else self.estimator.flow(x, reference)
            encoder = Encoder()
            y = model.analyse_motion(x, reference, flow, at)
            beside = self._beside(state)
            motion = self._write(encoder, model.motion, y, quality, beside)
            found = model.predict(self._back(motion.y), reference, at)
            y = model.analyse(x, found, at)
            beside = self._beside(state, motion)
            codec = self._write(encoder, model.codec, y, quality, beside)
            code = encoder.bytes()
            if not encoder.reads_back(code):
                raise FlowcodecError("latents do not decode to what was coded: a bug")
            state = self._after(motion, codec, found, quality, frame.shape)
            return InterFrame(code, _hash(motion, codec)), state

    def decode(self, data: bytes, hash: int, state: State, quality: int) -> State:
        """The state after a coded frame; FormatError where its code is damaged."""
        with running(self.threads), limited_threads(self.threads):
            motion, codec = self.read_latents(data, hash, state, quality)
            found = self.predict(motion, state, quality)
            return self._after(motion, codec, found, quality, state.reference.shape)

    def read_latents(
        self, data: bytes, hash: int, state: State, quality: int
    ) -> tuple[Latents, Latents]:
        """Those of MOFNet and of CodecNet that a code stands for; errors as `decode`."""
        decoder = Decoder(data)
        height, width = _positions(state)
        beside = self._beside(state)
        z, y = self.priors.motion.read(decoder, height, width, quality, beside)
        motion = self._latents(self.priors.motion, z, y, beside, quality)
        beside = self._beside(state, motion)
        z, y = self.priors.codec.read(decoder, height, width, quality, beside)
        codec = self._latents(self.priors.codec, z, y, beside, quality)
        if _hash(motion, codec) != hash:
            raise FormatError("the decoded latents do not match their hash")
        return motion, codec

    def predict(self, motion: Latents, state: State, quality: int) -> Prediction:
        """What the latents of MOFNet say of a frame; pictures padded to multiples of 16."""
        reference = self._tensor(state.reference)
        return self.model.predict(self._back(motion.y), reference, self._quality(quality))

    def synthesise(self, codec: Latents, found: Prediction, quality: int) -> Tensor:
        """The picture of the latents of CodecNet, (1, 3, 16h, 16w) around [0, 1], not clamped."""
        return self.model.synthesise(self._back(codec.y), found, self._quality(quality)).float()

    def shown(self, state: State) -> NDArray[np.uint8]:
        """The frame of a state, (H, W, 3)."""
        return state.reference.round().astype(np.uint8)

    def _latents(
        self, prior: ExactPrior, z: Ints, y: Ints, beside: Map | None, quality: int
    ) -> Latents:
        seen = prior.seen(y, quality) if self.weights.config.temporal else None
        return Latents(z, y, beside, seen)

    def _beside(self, state: State, motion: Latents | None = None) -> Map | None:
        """What the prior of MOFNet sees beside z; given this frame's, that of CodecNet."""
        config = self.weights.config
        if not config.temporal:
            return None
        past = state.motion if motion is None else state.codec
        if past is None:
            latents = config.motion_latent if motion is None else config.latent
            past = np.zeros((*_positions(state), 2 * latents))
        if motion is None or motion.seen is None:
            return past
        return np.concatenate([past, motion.seen], 2)

    def _write(
        self, encoder: Encoder, coder: LatentCoder, y: Tensor, quality: int, beside: Map | None
    ) -> Latents:
        at = self._quality(quality)
        z = coder.hyper_analyse(y, at)[0].long().cpu().numpy()
        gained = (y * coder.gain(at))[0].float().cpu().numpy()
        prior = self.priors.motion if coder is self.model.motion else self.priors.codec
        price = np.full(gained.shape, BIT_PRICE, np.float32)
        coded = prior.write(encoder, z, gained, quality, price, beside)
        return self._latents(prior, z, coded, beside, quality)

    def _after(
        self,
        motion: Latents,
        codec: Latents,
        found: Prediction,
        quality: int,
        shape: tuple[int, ...],
    ) -> State:
        """The state after a frame of that shape."""
        pixels = self.synthesise(codec, found, quality)[0, :, : shape[0], : shape[1]]
        samples = pixels.mul(255).clamp_(0, 255).permute(1, 2, 0).contiguous().cpu().numpy()
        return State(samples, motion.seen, codec.seen)

    def _tensor(self, frame: NDArray[np.uint8] | NDArray[np.float32]) -> Tensor:
        """(H, W, 3) samples -> (1, 3, 16h, 16w) in [0, 1], the last row and column repeated."""
        height, width = frame.shape[:2]
        x = torch.from_numpy(np.array(frame, np.float32)).to(self.device)
        x = x.permute(2, 0, 1)[None] / 255
        return F.pad(x, (0, -width % STRIDE, 0, -height % STRIDE), mode="replicate")

    def _back(self, y: Ints) -> Tensor:
        return torch.from_numpy(y.astype(np.float32)).to(self.device)[None]

    def _quality(self, quality: int) -> Tensor:
        return torch.tensor([quality / 1000], device=self.device)


def restore(model: VideoMofNet, weights: Weights[MofNetConfig]) -> None:
    """Put a weight file into the network; WeightsError where it does not fit."""
    state = {n: torch.from_numpy(t) for n, t in weights.transforms.items()}
    expected = {n for n in model.state_dict() if not n.startswith(PRIOR_PARTS)}
    if set(state) != expected:
        raise WeightsError(f"{weights.path}: the tensors are not those of its model")
    try:
        model.load_state_dict(state, strict=False)
        for name, part in (("motion.", model.motion), ("codec.", model.codec)):
            arrays = weights.prior.items()
            part.prior.restore({n.removeprefix(name): a for n, a in arrays if n.startswith(name)})
    except (RuntimeError, KeyError) as error:
        raise WeightsError(f"{weights.path}: tensors of a wrong shape: {error}") from error


def _positions(state: State) -> tuple[int, int]:
    """Rows and columns of latents."""
    height, width = state.reference.shape[:2]
    return -(-height // STRIDE), -(-width // STRIDE)


def _hash(motion: Latents, codec: Latents) -> int:
    """CRC-32 of the latents of MOFNet and of CodecNet."""
    parts = (latent_hash(part.z, part.y) for part in (motion, codec))
    return crc32(b"".join(part.to_bytes(4, "little") for part in parts))
