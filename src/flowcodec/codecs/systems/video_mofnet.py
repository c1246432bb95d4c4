"""P-frames to bytes and back: the coding loop around `models.video_mofnet`.

    frame, reference ─► flow ─► y_m ─► prior ─┐    (and the camera's motion, six integers)
                                       ▼      ├─► one range code
        prediction ◄── warp ◄── flow, alpha   │
             └─► y_c ─► prior ────────────────┘
             └─► synthesise ─► the picture that is the next frame's reference

Flow is estimated on the encoder's side alone, by any estimator: a decoder never needs it. The
encoder drafts the latents in a few ways and writes the one that is worth its bits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from flowcodec.codecs.finite import check_finite
from flowcodec.codecs.running import device_called, running
from flowcodec.codecs.threads import limited_threads
from flowcodec.codecs.weights import Weights, built_prior
from flowcodec.entropy.coder import Decoder, Encoder
from flowcodec.entropy.fixed_point import Map
from flowcodec.entropy.meter import Draft
from flowcodec.entropy.prior import ExactPrior, Ints, Layout, latent_hash
from flowcodec.errors import FlowcodecError, FormatError, WeightsError
from flowcodec.models.video_mofnet.config import STRIDE, MofNetConfig
from flowcodec.models.video_mofnet.global_motion import LARGEST, estimate
from flowcodec.models.video_mofnet.model import Prediction, VideoMofNet
from flowcodec.nn.distortion import distortion, lambda_of
from flowcodec.nn.latents import LatentCoder
from flowcodec.quality import BIT_PRICE, MS_SSIM_MIN_SIDE, lambdas_of

if TYPE_CHECKING:
    from flowcodec.codecs.systems.flow_deeppynet import FlowEstimator

PRIOR_PARTS = ("motion.prior.", "codec.prior.")
WINDOW = 8  # positions of a line of attention in h_s


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


class Kind(IntEnum):
    """What stands in the code for a set of latents."""

    NOTHING = -1  # all are zero: all motion is global, or the frame is its prediction
    BARE = 0  # y, where z is zero
    WHOLE = 1  # z and y


@dataclass(frozen=True)
class Latents:
    """z and y of MOFNet or of CodecNet, what their prior sees beside, and what others see of y."""

    kind: Kind
    z: Ints
    y: Ints
    beside: Map | None
    seen: Map | None


@dataclass(frozen=True)
class InterLatents:
    """All that the code of a P-frame says: global motion (6,), latents of MOFNet and CodecNet."""

    camera: Ints
    motion: Latents
    codec: Latents

    @property
    def hash(self) -> int:
        """CRC-32 of all of it, as SPEC.md says."""
        parts = [latent_hash(part.z, part.y) for part in (self.motion, self.codec)]
        return crc32(np.array(self.camera, "<i4").tobytes() + np.array(parts, "<u4").tobytes())


@dataclass(frozen=True)
class Drafted:
    """Latents that an encoder may choose, and their code."""

    latents: Latents
    draft: Draft


@dataclass(frozen=True)
class InterFrame:
    """A coded P-frame: its range code, and the CRC-32 of the latents that it stands for."""

    data: bytes
    hash: int


@dataclass(frozen=True)
class InterPriors:
    """The integer priors of a P-frame's two networks, and the SHA-256 of their hashes."""

    motion: ExactPrior
    codec: ExactPrior
    hash: bytes


def inter_priors(weights: Weights[MofNetConfig]) -> InterPriors:
    """Those of video-mofnet; WeightsError if their arrays do not fit together."""
    config = weights.config
    motion_seen, seen = 2 * config.motion_latent, 2 * (config.motion_latent + config.latent)
    priors = []
    for name, slices, beside in (
        ("motion.", config.motion_slices, motion_seen),
        ("codec.", config.slices, seen),
    ):
        layout = Layout(slices, 1, WINDOW, config.density, config.order)
        prior = built_prior(weights, layout, name)
        if (prior.beside.inputs if prior.beside else 0) != config.temporal * beside:
            raise WeightsError(f"{weights.path}: the prior of {name[:-1]} is not what config says")
        priors.append(prior)
    motion, codec = priors
    return InterPriors(motion, codec, hashlib.sha256(motion.hash + codec.hash).digest())


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
            x, reference = self._tensor(frame), self._tensor(state.reference)
            flow = None if self.estimator is None else self.estimator.flow(x, reference)
            camera, motion, prediction = self._draft_motion(x, reference, flow, state, quality)
            codec, pixels = self._draft_rest(x, motion.latents, prediction, state, quality)
            encoder = Encoder()
            motion.draft.write(encoder)
            codec.draft.write(encoder)
            code = encoder.bytes()
            if not encoder.reads_back(code):
                raise FlowcodecError("latents do not decode to what was coded: a bug")
            latents = InterLatents(camera, motion.latents, codec.latents)
            return InterFrame(code, latents.hash), self._after(latents, pixels, frame.shape)

    def decode(self, data: bytes, hash: int, state: State, quality: int) -> State:
        """The state after a coded frame; FormatError where its code is damaged."""
        with running(self.threads), limited_threads(self.threads):
            latents = self.read_latents(data, hash, state, quality)
            prediction = self.predict(latents.camera, latents.motion, state, quality)
            pixels = self.synthesise(latents.codec, prediction, quality)
            return self._after(latents, pixels, state.reference.shape)

    def read_latents(self, data: bytes, hash: int, state: State, quality: int) -> InterLatents:
        """All that a code stands for; errors as `decode`."""
        decoder = Decoder(data)
        camera = decoder.integers(None, 6)
        if np.abs(camera).max() >= LARGEST:
            raise FormatError("the global motion is beyond what there is")
        motion = self._read(decoder, self.priors.motion, state, quality, self._beside(state))
        beside = self._beside(state, motion)
        codec = self._read(decoder, self.priors.codec, state, quality, beside)
        latents = InterLatents(camera, motion, codec)
        if latents.hash != hash:
            raise FormatError("the decoded latents do not match their hash")
        return latents

    def predict(self, camera: Ints, motion: Latents, state: State, quality: int) -> Prediction:
        """What global motion and MOFNet say of a frame; pictures padded to multiples of 16."""
        reference = self._tensor(state.reference)
        y, at = self._back(motion.y), self._quality(quality)
        rigid = motion.kind is Kind.NOTHING
        prediction = self.model.predict(y, self._camera(camera), reference, at, rigid)
        for values in (prediction.picture, prediction.alpha):
            check_finite(values, "the prediction by MOFNet", self.weights)
        return prediction

    def synthesise(self, codec: Latents, prediction: Prediction, quality: int) -> Tensor:
        """The picture of the latents of CodecNet, (1, 3, 16h, 16w) around [0, 1], not clamped."""
        if codec.kind is Kind.NOTHING:
            return prediction.picture + 0.5
        y = self._back(codec.y)
        return self.model.synthesise(y, prediction, self._quality(quality)).float()

    def shown(self, state: State) -> NDArray[np.uint8]:
        """The frame of a state, (H, W, 3)."""
        return state.reference.round().astype(np.uint8)

    def _read(
        self, decoder: Decoder, prior: ExactPrior, state: State, quality: int, beside: Map | None
    ) -> Latents:
        height, width = _positions(state)
        number = int(decoder.integers(None, 1)[0])
        if number not in set(Kind):
            raise FormatError(f"there is no kind {number} of latents")
        kind = Kind(number)
        if kind is Kind.NOTHING:
            z, y = prior.zeros(height, width)
        else:
            z, y = prior.read(decoder, height, width, quality, beside, kind is Kind.BARE)
        return self._latents(prior, kind, z, y, beside, quality)

    def _latents(
        self, prior: ExactPrior, kind: Kind, z: Ints, y: Ints, beside: Map | None, quality: int
    ) -> Latents:
        seen = prior.seen(y, quality) if self.weights.config.temporal else None
        return Latents(kind, z, y, beside, seen)

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

    def _draft_motion(
        self, x: Tensor, reference: Tensor, flow: Tensor | None, state: State, quality: int
    ) -> tuple[Ints, Drafted, Prediction]:
        """Global motion and the latents of MOFNet that are to be written, and what they predict."""
        coder, at, beside = self.model.motion, self._quality(quality), self._beside(state)
        coarse, pictures = self.model.settle(x, reference, flow, at)
        check_finite(coarse, "the flow of MOFNet's blocks", self.weights)
        found: list[tuple[float, Ints, Drafted]] = []
        for camera in _cameras(coarse):
            y = coder.g_a(coarse, pictures, self._camera(camera), at)
            cost, drafted = self._draft(coder, y, quality, beside, camera.tolist())
            found.append((cost, camera, drafted))
        _, camera, motion = min(found, key=lambda each: each[0])
        rigid = self._nothing(coder, state, quality, beside, camera.tolist())
        ways = [
            (each, self.predict(camera, each.latents, state, quality)) for each in (rigid, motion)
        ]
        shown = [prediction.picture + 0.5 for _, prediction in ways]
        return (camera, *ways[self._cheapest(x, [rigid, motion], shown, at)])

    def _draft_rest(
        self, x: Tensor, motion: Latents, prediction: Prediction, state: State, quality: int
    ) -> tuple[Drafted, Tensor]:
        """The latents of CodecNet that are to be written, and the picture."""
        coder, at, beside = self.model.codec, self._quality(quality), self._beside(state, motion)
        y = self.model.analyse(x, prediction, at)
        _, codec = self._draft(coder, y, quality, beside)
        drafts = [self._nothing(coder, state, quality, beside), codec]
        shown = [self.synthesise(each.latents, prediction, quality) for each in drafts]
        best = self._cheapest(x, drafts, shown, at)
        return drafts[best], shown[best]

    def _draft(
        self,
        coder: LatentCoder,
        y: Tensor,
        quality: int,
        beside: Map | None,
        before: Sequence[int] = (),
    ) -> tuple[float, Drafted]:
        """Latents (1, M, h, w), before their gain, with z or without, whichever costs less: that
        cost, bits and at the price of a bit the squared error of rounding. `before`: integers that
        come first in the code."""
        at, prior = self._quality(quality), self._prior(coder)
        network = "MOFNet" if coder is self.model.motion else "CodecNet"
        check_finite(y, f"the analysis of {network}", self.weights)
        hyper = coder.hyper_analyse(y, at)[0]
        check_finite(hyper, f"the hyper-analysis of {network}", self.weights)
        z = hyper.long().cpu().numpy()
        gained = (y * coder.gain(at))[0].float().cpu().numpy()
        price = np.full(gained.shape, BIT_PRICE, np.float32)
        found = []
        for kind in self._kinds(z):
            written = z if kind is Kind.WHOLE else None
            draft = _begun(before, kind)
            coded = prior.write(draft, written, gained, quality, price, beside)
            known = np.zeros_like(z) if written is None else z
            latents = self._latents(prior, kind, known, coded, beside, quality)
            error = float(np.square(gained - coded).sum())
            found.append((draft.bits + error / BIT_PRICE, Drafted(latents, draft)))
        return min(found, key=lambda each: each[0])

    def _kinds(self, z: Ints) -> list[Kind]:
        """The ways to write y that are worth a try."""
        return [Kind.BARE, Kind.WHOLE] if z.any() else [Kind.BARE]

    def _nothing(
        self,
        coder: LatentCoder,
        state: State,
        quality: int,
        beside: Map | None,
        before: Sequence[int] = (),
    ) -> Drafted:
        """No latents; `before` as in `_draft`."""
        prior = self._prior(coder)
        zeros = prior.zeros(*_positions(state))
        latents = self._latents(prior, Kind.NOTHING, *zeros, beside, quality)
        return Drafted(latents, _begun(before, Kind.NOTHING))

    def _cheapest(
        self, x: Tensor, drafts: Sequence[Drafted], shown: Sequence[Tensor], quality: Tensor
    ) -> int:
        """Which draft of a frame x takes the fewest bits, together with those that what is lost in
        the picture it shows is worth; of equals the first."""
        metric = self.weights.metric if min(x.shape[2:]) >= MS_SSIM_MIN_SIDE else "mse"
        weight = lambda_of(lambdas_of(metric), quality) * x[0, 0].numel()
        costs = [
            each.draft.bits + float(weight * distortion(metric, x, picture.clamp(0, 1)))
            for each, picture in zip(drafts, shown, strict=True)
        ]
        return costs.index(min(costs))

    def _prior(self, coder: LatentCoder) -> ExactPrior:
        return self.priors.motion if coder is self.model.motion else self.priors.codec

    def _after(self, latents: InterLatents, pixels: Tensor, shape: tuple[int, ...]) -> State:
        """The state after a frame of that shape."""
        check_finite(pixels, "the synthesis of a frame", self.weights)
        samples = pixels[0, :, : shape[0], : shape[1]].mul(255).clamp_(0, 255).permute(1, 2, 0)
        reference = samples.contiguous().cpu().numpy()
        return State(reference, latents.motion.seen, latents.codec.seen)

    def _tensor(self, frame: NDArray[np.uint8] | NDArray[np.float32]) -> Tensor:
        """(H, W, 3) samples -> (1, 3, 16h, 16w) in [0, 1], the last row and column repeated."""
        height, width = frame.shape[:2]
        x = torch.from_numpy(np.array(frame, np.float32)).to(self.device)
        x = x.permute(2, 0, 1)[None] / 255
        return F.pad(x, (0, -width % STRIDE, 0, -height % STRIDE), mode="replicate")

    def _back(self, y: Ints) -> Tensor:
        return torch.from_numpy(y.astype(np.float32)).to(self.device)[None]

    def _camera(self, camera: Ints) -> Tensor:
        return torch.from_numpy(camera.astype(np.float32)).to(self.device)[None]

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


def _begun(before: Sequence[int], kind: Kind) -> Draft:
    """What stands before the latents of a set."""
    draft = Draft()
    draft.integers(np.array([*before, kind]), len(before) + 1)
    return draft


def _cameras(coarse: Tensor) -> list[Ints]:
    """Global motions (6,) that may explain most of a flow of blocks, (1, 2, h, w)."""
    plain, linear = (estimate(coarse, kind)[0].long().cpu().numpy() for kind in (False, True))
    return [plain] if np.array_equal(plain, linear) else [plain, linear]
