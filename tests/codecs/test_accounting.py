"""Where the bits of a file went, and pictures without their refinement."""

import copy

import numpy as np
import pytest

from flowcodec.bitstream.picture_file import parse_picture
from flowcodec.codecs.accounting import account_of
from flowcodec.media.picture import Picture
from tests.codecs.in_torch import TorchModel
from tests.golden import make


@pytest.mark.parametrize("model", make.MODELS)
def test_every_bit_of_every_tile_is_in_its_place(model):
    codec = make.codec(model)
    data = codec.encode(
        Picture(make.draw(90, 150), icc=b"a profile"), 6, tile=64, kinds=["learned"]
    ).data
    account = account_of(codec, data)
    file = parse_picture(data)
    assert len(file.tiles) == 6
    assert account.y_bits.shape == account.z_bits.shape == account.energy.shape == (6, 10)
    latents = make.latents(codec.prior, file)
    for index, (tile, (z, y)) in enumerate(zip(file.tiles, latents, strict=True)):
        row, column = divmod(index, 3)
        place = np.s_[4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        bits = account.bits[place]
        assert bits.min() > 0
        assert -0.01 <= 8 * len(tile.data) - bits.sum() <= 64  # a range coder ends in whole words
        assert np.array_equal(account.energy[place], np.square(y).sum(0))
        assert np.ptp(account.z_bits[place]) < 1e-9  # one z for 4 x 4 latents, or what is there
        z_bits, _ = codec.prior.cost(z, y, 6000)
        assert account.z_bits[place].sum() == pytest.approx(z_bits.sum())
    assert account.file_bits == 8 * len(data)
    assert sum(account.shares.values()) == pytest.approx(account.file_bits)


def test_tiles_that_are_not_learned_are_spread_evenly():
    codec = make.codec("plain")
    pixels = make.draw(64, 128)
    pixels[:, :64] = 200
    data = codec.encode(pixels, 6, tile=64, kinds=["learned", "lossless"]).data
    flat, textured = parse_picture(data).tiles
    account = account_of(codec, data)
    assert (flat.kind, textured.kind) == ("lossless", "learned")
    assert np.all(account.bits[:, :4] == 8 * len(flat.data) / 16)
    assert account.shares["other"] == 8 * len(flat.data)
    assert not account.other_bits[:, 4:].any() and not account.energy[:, :4].any()
    assert sum(account.shares.values()) == pytest.approx(8 * len(data))


def test_refinement_can_be_left_out():
    codec = make.codec("tiny")
    data = codec.encode(make.draw(70, 130), 5, tile=64, kinds=["learned"]).data
    bare = copy.copy(codec)
    bare.model = TorchModel(codec.weights)
    bare.model.network.refinement = None
    found = codec.without_refinement().decode(data).pixels.astype(int)
    assert np.abs(found - bare.decode(data).pixels).max() <= 1
    assert not np.array_equal(found, codec.decode(data).pixels)
    assert make.codec("plain").without_refinement() is None
