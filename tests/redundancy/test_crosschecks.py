"""Others' measures have the values that are known for them.

The effective rank is held to scikit-dimension's (the extra `reference`). Published code for CKA and HRank's rank wants
PyTorch, as far as we looked; so these are set beside their papers' formulas, written here in another way than in the lab.
"""

from itertools import permutations

import numpy as np
import pytest

from ghostlib.errors import InputError
from ghostlib.redundancy.crosschecks import _unbiased, cka, effective_rank, mean_rank

RNG = np.random.default_rng(0)
MAPS = RNG.normal(size=(40, 8, 5, 5))


@pytest.mark.parametrize("debiased", [True, False])
def test_a_rotation_and_a_scale_change_nothing(debiased):
    rotation, _ = np.linalg.qr(RNG.normal(size=(8, 8)))
    turned = 3 * np.einsum("dc,nchw->ndhw", rotation, MAPS) + 7
    assert cka(MAPS, turned, debiased) == pytest.approx(1)


def test_independent_noise_is_unlike_only_when_debiased():
    others = [RNG.normal(size=MAPS.shape) for _ in range(20)]
    assert abs(np.mean([cka(MAPS, other) for other in others])) < 0.02
    assert np.mean([cka(MAPS, other, debiased=False) for other in others]) > 0.8  # 200 values of 40 images each


def test_part_of_the_maps_is_like_all_of_them_and_more_so_the_larger_the_part():
    alike = [cka(MAPS[:, :count], MAPS) for count in (2, 4, 8)]
    assert 0.2 < alike[0] < alike[1] < alike[2] == pytest.approx(1)


def test_the_unbiased_estimate_is_the_mean_over_all_quadruples():
    """Song et al. 2012: of four different images, k(1,2) (l(1,2) + l(3,4) - 2 l(1,3))."""
    x, y = RNG.normal(size=(6, 3)), RNG.normal(size=(6, 2))
    first, second = ((a - a.mean(0)) @ (a - a.mean(0)).T for a in (x, y))
    terms = [first[i, j] * (second[i, j] + second[q, r] - 2 * second[i, q]) for i, j, q, r in permutations(range(6), 4)]
    assert _unbiased(first, second) == pytest.approx(np.mean(terms))


def test_cka_is_the_papers_formula_over_features():
    """Kornblith et al. 2019, section 3: of centred X (N, p) and Y (N, q) it is |Y'X|^2 over |X'X| |Y'Y|, Frobenius norms."""
    others = 0.5 * MAPS[:, ::-1] + RNG.normal(size=MAPS.shape)
    x, y = (maps.reshape(len(maps), -1) for maps in (MAPS, others))
    x, y = x - x.mean(0), y - y.mean(0)
    wanted = np.linalg.norm(y.T @ x) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))
    assert cka(MAPS, others, debiased=False) == pytest.approx(wanted)


def test_the_effective_rank_is_a_published_librarys():
    skdim = pytest.importorskip("skdim", reason="scikit-dimension is not installed: pip install -e .[reference]")
    mixed = np.einsum("dc,nchw->ndhw", RNG.normal(size=(8, 8)), MAPS)
    pixels = mixed.transpose(0, 2, 3, 1).reshape(-1, 8)
    assert skdim.id.lPCA(ver="participation_ratio").fit(pixels).dimension_ == pytest.approx(effective_rank(mixed))


def test_the_effective_rank_is_that_of_the_eigenvalues():
    """Gao et al. 2017: the square of their sum over the sum of their squares."""
    mixed = np.einsum("dc,nchw->ndhw", RNG.normal(size=(8, 8)), MAPS)
    values = np.linalg.svd(np.concatenate([one.reshape(8, -1) for one in mixed], axis=1)
                           - mixed.mean(axis=(0, 2, 3))[:, None], compute_uv=False) ** 2
    assert effective_rank(mixed) == pytest.approx(values.sum() ** 2 / (values**2).sum())


def test_too_few_images_or_others_are_refused():
    with pytest.raises(InputError, match="maps: of 3 and 3 images given; allowed are those of the same 4 or more"):
        cka(MAPS[:3], MAPS[:3])
    with pytest.raises(InputError, match="of 40 and 39 images"):
        cka(MAPS, MAPS[1:])


def test_the_effective_rank_counts_independent_maps():
    noise = RNG.normal(size=(200, 6, 10, 10))
    assert effective_rank(noise) == pytest.approx(6, rel=0.01)
    assert effective_rank(np.concatenate([noise, 2 * noise], axis=1)) == pytest.approx(6, rel=0.01)
    assert effective_rank(np.repeat(noise[:, :1], 5, axis=1)) == pytest.approx(1)
    assert np.isnan(effective_rank(np.ones((3, 4, 2, 2))))


def test_the_mean_rank_is_that_of_each_map_as_a_matrix():
    line = np.outer(np.arange(1, 6), np.ones(5))
    maps = np.stack([np.stack([line, np.eye(5), np.zeros((5, 5))]), np.stack([np.eye(5), np.eye(5), np.zeros((5, 5))])])
    assert mean_rank(maps).tolist() == [3, 5, 0]


def test_rounding_of_float32_is_no_structure():
    """A product of two vectors has rank 1, however it was rounded."""
    maps = np.outer(RNG.normal(size=28), RNG.normal(size=28)).astype(np.float32)[None, None]
    assert mean_rank(maps).tolist() == mean_rank(maps.astype(np.float64)).tolist() == [1]
