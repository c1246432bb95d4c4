"""What symbols cost, and writing them afterwards."""

import numpy as np
import pytest

from flowcodec.entropy.coder import Decoder, Encoder
from flowcodec.entropy.meter import Draft
from tests.entropy.samples import CONFIGS, exact, random_prior


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("name", CONFIGS)
def test_a_draft_is_the_code_and_its_size(name: str, bare: bool) -> None:
    prior = exact(random_prior(CONFIGS[name], 4))
    z, y = prior.zeros(9, 7)
    rng = np.random.default_rng(5)
    z, y = (np.rint(rng.normal(0, 3, part.shape)).astype(np.int64) for part in (z, y))
    y[0, 0, 0] = 5000  # an escape
    known = None if bare else z
    draft, direct, later = Draft(), Encoder(), Encoder()
    for coder in (draft, direct):
        prior.write(coder, known, y, 4000)
    draft.write(later)
    code = later.bytes()
    assert code == direct.bytes()
    assert abs(8 * len(code) - draft.bits) <= 65
    found = prior.read(Decoder(code), 9, 7, 4000, bare=bare)
    np.testing.assert_array_equal(found[0], z * (not bare))
    np.testing.assert_array_equal(found[1], y)
