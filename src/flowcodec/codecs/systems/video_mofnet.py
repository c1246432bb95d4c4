"""How video-mofnet's networks and priors make a codec of P-frames.

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
from functools import cached_property
from typing import TypeVar
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from flowcodec.codecs.accounting import InterAccount, shared
from flowcodec.codecs.finite import check_finite, unwarned
from flowcodec.codecs.protocols import CodedInter, FlowModel, Frame
from flowcodec.codecs.runtime import Network, at_quality, gain_at, hyper_latents
from flowcodec.codecs.systems import SYSTEMS, imported, names_of
from flowcodec.codecs.threads import limited_threads
from flowcodec.codecs.weights import Weights, built_prior, bundled_weights
from flowcodec.entropy.coder import Decoder, Encoder
from flowcodec.entropy.fixed_point import Map
from flowcodec.entropy.meter import Draft
from flowcodec.entropy.prior import ExactPrior, Ints, Layout, latent_hash
from flowcodec.errors import FlowcodecError, FormatError, WeightsError
from flowcodec.models.video_mofnet.config import FLOW_BLOCK, FLOW_UNIT, STRIDE, MofNetConfig
from flowcodec.models.video_mofnet.global_motion import LARGEST, estimate, field, left_over
from flowcodec.models.video_mofnet.settling import haar, settled
from flowcodec.ms_ssim import similarity
from flowcodec.quality import BIT_PRICE, MS_SSIM_MIN_SIDE, lambda_at

Floats = NDArray[np.float32]
T = TypeVar("T", bound=np.generic)

WINDOW = 8  # positions of a line of attention in h_s

# Hints of an encoder, measured on seven clips at four qualities: trials they save, 0.1 % of bits.
NEAR = 10.0  # bits between two global motions, by an estimate, that are both tried
GLOBAL = 1 / 5  # of all blocks: if more move otherwise, global motion alone is not worth a trial
ALIKE = 1.05  # squared errors of two pictures of which MS-SSIM may like either better
SILENT = 160  # where z, added up, is so many times smaller than y, it may be worth its bits


@dataclass(frozen=True)
class State:
    """What a P-frame is predicted from: the frame before it as decoders have it, (H, W, 3) from 0
    to 255, and what priors see of the latents of MOFNet and CodecNet that it was coded in (None
    after an I-frame, and where priors see no such thing).

    The reference of a P-frame is not rounded: machines differ in its last digits, and in a few
    samples a rounding would make that a whole step, which the next frames spread.
    """

    reference: Floats
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
class Prediction:
    """What MOFNet tells a decoder: x~ (3, H, W) around zero, alpha (1, H, W), and the flow
    (2, H, W) in pixels from the frame to its reference."""

    picture: Floats
    alpha: Floats
    flow: Floats

    @property
    def samples(self) -> Floats:
        """The picture as samples (H, W, 3)."""
        return (self.picture.transpose(1, 2, 0) + np.float32(0.5)) * 255


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
class Coder:
    """How latents of MOFNet or CodecNet are coded; part: what weight files call the network."""

    name: str
    part: str
    prior: ExactPrior
    hyper_analysis: Network


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


class MofNetModel:
    """An `InterModel`."""

    def __init__(
        self,
        weights: Weights[MofNetConfig],
        device: str = "cpu",
        threads: int | None = None,
        *,
        estimator: FlowModel | None = None,
    ):
        """estimator: of the flow that is coded; None: that of the first system that there is."""
        self.weights, self.threads, self._device = weights, threads, device
        self._given = estimator
        self.priors = inter_priors(weights)
        self.prior_hash = self.priors.hash
        self._motion = self._coder("MOFNet", "motion", self.priors.motion)
        self._codec = self._coder("CodecNet", "codec", self.priors.codec)
        self._source = self._network("source")
        self._motion_analysis = self._network("motion_analysis")
        self._prediction = self._network("prediction")
        self._codec_analysis = self._network("codec_analysis")
        self._synthesis = self._network("synthesis")

    @cached_property
    def estimator(self) -> FlowModel:
        """What estimates the flow, opened when the first frame is coded."""
        if self._given is not None:
            return self._given
        system = SYSTEMS[names_of("flow")[0]]
        weights = bundled_weights(system.name, system.metrics[0])
        model: FlowModel = imported(system.model)(weights, self._device, self.threads)
        return model

    def start(self, frame: Frame) -> State:
        """The state after an I-frame, which decodes to (H, W, 3) samples."""
        return State(frame.astype(np.float32))

    @unwarned
    def encode(self, frame: Frame, state: State, quality: int) -> tuple[InterFrame, State]:
        """Code a frame (H, W, 3). The state after it is what a decoder will have."""
        with limited_threads(self.threads):
            x, source = _padded(frame), self.source(state)
            camera, motion, prediction = self._draft_motion(x, source, state, quality)
            codec, samples = self._draft_rest(x, motion.latents, prediction, state, quality)
            encoder = Encoder()
            motion.draft.write(encoder)
            codec.draft.write(encoder)
            code = encoder.bytes()
            if not encoder.reads_back(code):
                raise FlowcodecError("latents do not decode to what was coded: a bug")
            latents = InterLatents(camera, motion.latents, codec.latents)
            return InterFrame(code, latents.hash), self._after(latents, samples, frame.shape)

    @unwarned
    def decode(self, data: bytes, hash: int, state: State, quality: int) -> State:
        """The state after a coded frame; FormatError where its code is damaged."""
        with limited_threads(self.threads):
            latents = self.read_latents(data, hash, state, quality)
            source = self.source(state)
            prediction = self.predict(latents.camera, latents.motion, source, quality)
            samples = self.synthesise(latents.codec, prediction, quality)
            return self._after(latents, samples, state.reference.shape)

    def shown(self, state: State) -> Frame:
        """The frame of a state, (H, W, 3)."""
        return state.reference.round().astype(np.uint8)

    def read_latents(self, data: bytes, hash: int, state: State, quality: int) -> InterLatents:
        """All that a code stands for; errors as `decode`."""
        decoder = Decoder(data)
        camera = decoder.integers(None, 6)
        if np.abs(camera).max() >= LARGEST:
            raise FormatError("the global motion is beyond what there is")
        motion = self._read(decoder, self._motion, state, quality, self._beside(state))
        codec = self._read(decoder, self._codec, state, quality, self._beside(state, motion))
        latents = InterLatents(camera, motion, codec)
        if latents.hash != hash:
            raise FormatError("the decoded latents do not match their hash")
        return latents

    def source(self, state: State) -> Floats:
        """What `predict` interpolates the reference of a state from."""
        source: Floats = self._source(reference=_padded(state.reference))
        return source

    def predict(self, camera: Ints, motion: Latents, source: Floats, quality: int) -> Prediction:
        """What global motion and MOFNet say of a frame, padded to multiples of 16."""
        height, width = (STRIDE * side for side in motion.y.shape[1:])
        found = self._prediction(
            y=motion.y.astype(np.float32),
            camera=field(camera, height, width),
            local=np.array([motion.kind is not Kind.NOTHING], np.float32),
            source=source,
            quality=at_quality(quality),
        )
        prediction = Prediction(*found)
        for values in found:
            check_finite(values, "the prediction by MOFNet", self.weights)
        return prediction

    def synthesise(self, codec: Latents, prediction: Prediction, quality: int) -> Floats:
        """Samples (16h, 16w, 3) of the latents of CodecNet, not clamped."""
        if codec.kind is Kind.NOTHING:
            return prediction.samples
        samples: Floats = self._synthesis(
            y=codec.y.astype(np.float32),
            picture=prediction.picture,
            alpha=prediction.alpha,
            quality=at_quality(quality),
        )
        check_finite(samples, "the synthesis of a frame", self.weights)
        return samples

    @unwarned
    def account(self, frame: CodedInter, state: State, quality: int) -> InterAccount:
        """As `Accountable.account`."""
        height, width = state.reference.shape[:2]
        with limited_threads(self.threads):
            latents = self.read_latents(frame.data, frame.hash, state, quality)
            found = self.predict(latents.camera, latents.motion, self.source(state), quality)
            whole = self.synthesise(latents.codec, found, quality) / 255 - 0.5
            alpha = found.alpha[0] * (latents.codec.kind is not Kind.NOTHING)
            skipped = (1 - alpha[..., None]) * (found.samples / 255 - 0.5)
            bits = [
                self._bits(coder, part, quality)
                for coder, part in ((self._motion, latents.motion), (self._codec, latents.codec))
            ]
        flow, alpha, skipped, coded = (
            part[:height, :width]
            for part in (found.flow.transpose(1, 2, 0), alpha, skipped, whole - skipped)
        )
        return InterAccount(flow, alpha, skipped, coded, bits[0], bits[1], STRIDE)

    def _bits(self, coder: Coder, part: Latents, quality: int) -> NDArray[np.float64]:
        """What the latents at each position cost, (h, w)."""
        height, width = part.y.shape[1:]
        if part.kind is Kind.NOTHING:
            return np.zeros((height, width))
        bare = part.kind is Kind.BARE
        z_bits, y_bits = coder.prior.cost(part.z, part.y, quality, part.beside, bare)
        return y_bits.sum(0) + shared(z_bits.sum(0), height, width)

    def _coder(self, name: str, part: str, prior: ExactPrior) -> Coder:
        return Coder(name, part, prior, self._network(f"{part}_hyper_analysis"))

    def _gain(self, coder: Coder, table: str, quality: int) -> Floats:
        return gain_at(self.weights.prior[f"{coder.part}.{table}"], quality)

    def _network(self, name: str) -> Network:
        return Network(self.weights, name, self._device, self.threads)

    def _read(
        self, decoder: Decoder, coder: Coder, state: State, quality: int, beside: Map | None
    ) -> Latents:
        height, width = _positions(state)
        number = int(decoder.integers(None, 1)[0])
        if number not in set(Kind):
            raise FormatError(f"there is no kind {number} of latents")
        kind = Kind(number)
        if kind is Kind.NOTHING:
            z, y = coder.prior.zeros(height, width)
        else:
            bare = kind is Kind.BARE
            z, y = coder.prior.read(decoder, height, width, quality, beside, bare)
        return self._latents(coder, kind, z, y, beside, quality)

    def _latents(
        self, coder: Coder, kind: Kind, z: Ints, y: Ints, beside: Map | None, quality: int
    ) -> Latents:
        seen = coder.prior.seen(y, quality) if self.weights.config.temporal else None
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
        self, x: Frame, source: Floats, state: State, quality: int
    ) -> tuple[Ints, Drafted, Prediction]:
        """Global motion and the latents of MOFNet that are to be written, and what they predict."""
        beside, reference = self._beside(state), _padded(state.reference)
        coarse, at = self._settled(x, reference, quality), at_quality(quality)
        found: list[tuple[float, Ints, Drafted]] = []
        for camera in self._cameras(coarse, quality):
            moved = field(camera, *coarse.shape[1:])
            y = self._motion_analysis(
                samples=x,
                reference=reference,
                source=source,
                coarse=coarse,
                camera=moved,
                quality=at,
            )
            fresh, before = state.motion is None, camera.tolist()
            cost, drafted = self._draft(self._motion, y, quality, beside, fresh, before)
            found.append((cost, camera, drafted))
        _, camera, motion = min(found, key=lambda each: each[0])
        drafts = [motion]
        if left_over(coarse - field(camera, *coarse.shape[1:])) <= GLOBAL * coarse[0].size:
            drafts.insert(0, self._nothing(self._motion, state, quality, beside, camera.tolist()))
        ways = [self.predict(camera, each.latents, source, quality) for each in drafts]
        best = self._cheapest(x, drafts, [way.samples for way in ways], quality)
        return camera, drafts[best], ways[best]

    def _cameras(self, coarse: Floats, quality: int) -> list[Ints]:
        """Global motions (6,) that are worth a try: what explains a flow of blocks in about the
        fewest bits."""
        gain = self._gain(self._motion, "log_gain", quality)[: 4 * len(coarse)]
        found = []
        for camera in (estimate(coarse, linear) for linear in (False, True)):
            left = haar(coarse - field(camera, *coarse.shape[1:])) / FLOW_UNIT * gain
            bits = float(np.log2(1 + np.abs(left)).sum())
            found.append((bits + _begun(camera.tolist(), Kind.NOTHING).bits, camera))
        if np.array_equal(found[0][1], found[1][1]):
            return [found[0][1]]
        fewest = min(bits for bits, _ in found)
        return [camera for bits, camera in found if bits < fewest + NEAR]

    def _settled(self, x: Frame, reference: Floats, quality: int) -> Floats:
        """The flow of blocks that is to be coded, (2, H/8, W/8) in pixels."""
        height, width = x.shape[:2]
        if self.weights.config.transform == "strided":
            return np.zeros((2, height // FLOW_BLOCK, width // FLOW_BLOCK), np.float32)
        first, second = (
            np.ascontiguousarray(each.transpose(2, 0, 1), np.float32) / np.float32(255)
            for each in (x, reference)
        )
        coarse = settled(self.estimator.flow(first, second), first, quality / 1000)
        check_finite(coarse, "the flow of MOFNet's blocks", self.weights)
        return coarse

    def _draft_rest(
        self, x: Frame, motion: Latents, prediction: Prediction, state: State, quality: int
    ) -> tuple[Drafted, Floats]:
        """The latents of CodecNet that are to be written, and the samples of the frame."""
        beside = self._beside(state, motion)
        y = self._codec_analysis(
            samples=x,
            picture=prediction.picture,
            alpha=prediction.alpha,
            quality=at_quality(quality),
        )
        drafts = [
            self._nothing(self._codec, state, quality, beside),
            self._draft(self._codec, y, quality, beside, state.codec is None)[1],
        ]
        shown = [self.synthesise(each.latents, prediction, quality) for each in drafts]
        best = self._cheapest(x, drafts, shown, quality)
        return drafts[best], shown[best]

    def _draft(
        self,
        coder: Coder,
        y: Floats,
        quality: int,
        beside: Map | None,
        fresh: bool,
        before: Sequence[int] = (),
    ) -> tuple[float, Drafted]:
        """Latents (M, h, w), before their gain, with z or without, whichever costs less: that cost,
        bits and at the price of a bit the squared error of rounding. fresh: priors see no frame
        before; `before`: integers that come first in the code."""
        check_finite(y, f"the analysis of {coder.name}", self.weights)
        z = self._hyper_analyse(coder, y, quality)
        gained = y * self._gain(coder, "log_gain", quality)
        price = np.full(gained.shape, BIT_PRICE, np.float32)
        found = []
        for kind in self._kinds(z, gained, fresh):
            written = z if kind is Kind.WHOLE else None
            draft = _begun(before, kind)
            coded = coder.prior.write(draft, written, gained, quality, price, beside)
            known = np.zeros_like(z) if written is None else z
            latents = self._latents(coder, kind, known, coded, beside, quality)
            error = float(np.square(gained - coded).sum())
            found.append((draft.bits + error / BIT_PRICE, Drafted(latents, draft)))
        return min(found, key=lambda each: each[0])

    def _hyper_analyse(self, coder: Coder, y: Floats, quality: int) -> Ints:
        """z (N, k, l) of latents before their gain."""
        gain = self._gain(coder, "hyper_log_gain", quality)
        stage = f"the hyper-analysis of {coder.name}"
        return hyper_latents(coder.hyper_analysis, y, gain, stage, self.weights)

    def _kinds(self, z: Ints, gained: Floats, fresh: bool) -> list[Kind]:
        """The ways to write y that are worth a try."""
        size = np.abs(z).sum()
        worth = size and (fresh or SILENT * size < np.abs(np.rint(gained)).sum())
        return [Kind.BARE, Kind.WHOLE] if worth else [Kind.BARE]

    def _nothing(
        self,
        coder: Coder,
        state: State,
        quality: int,
        beside: Map | None,
        before: Sequence[int] = (),
    ) -> Drafted:
        """No latents; `before` as in `_draft`."""
        zeros = coder.prior.zeros(*_positions(state))
        latents = self._latents(coder, Kind.NOTHING, *zeros, beside, quality)
        return Drafted(latents, _begun(before, Kind.NOTHING))

    def _cheapest(
        self, x: Frame, drafts: Sequence[Drafted], shown: Sequence[Floats], quality: int
    ) -> int:
        """Which draft of a frame x takes the fewest bits, together with those that what is lost in
        the samples it shows is worth; of equals the first. By MS-SSIM, which takes its time, only
        where the first of two shows about as much as the second, which has more bits."""
        if len(drafts) == 1:
            return 0
        metric = self.weights.metric if min(x.shape[:2]) >= MS_SSIM_MIN_SIDE else "mse"
        within = [samples.clip(0, 255) for samples in shown]
        lost = [float(np.square(samples - x).mean()) / 255**2 for samples in within]
        if metric == "ms-ssim":
            if lost[0] > ALIKE * lost[1]:
                return 1
            planes = x.transpose(2, 0, 1).astype(np.float32)
            lost = [1 - similarity(planes, samples.transpose(2, 0, 1)) for samples in within]
        weight = lambda_at(metric, quality / 1000) * x.shape[0] * x.shape[1]
        costs = [each.draft.bits + weight * part for each, part in zip(drafts, lost, strict=True)]
        return costs.index(min(costs))

    def _after(self, latents: InterLatents, samples: Floats, shape: tuple[int, ...]) -> State:
        """The state after a frame of that shape."""
        reference = samples[: shape[0], : shape[1]].clip(0, 255)
        return State(reference, latents.motion.seen, latents.codec.seen)


def _padded(frame: NDArray[T]) -> NDArray[T]:
    """(H, W, 3) -> (16h, 16w, 3), the last row and column repeated."""
    below, beside = -frame.shape[0] % STRIDE, -frame.shape[1] % STRIDE
    return np.pad(frame, ((0, below), (0, beside), (0, 0)), "edge")


def _positions(state: State) -> tuple[int, int]:
    """Rows and columns of latents."""
    height, width = state.reference.shape[:2]
    return -(-height // STRIDE), -(-width // STRIDE)


def _begun(before: Sequence[int], kind: Kind) -> Draft:
    """What stands before the latents of a set."""
    draft = Draft()
    draft.integers(np.array([*before, kind]), len(before) + 1)
    return draft
