"""How redundant feature maps are: the paper's opening claim (Figure 1, Table 2) in numbers.

Arrays in, arrays out: likeness.py, linear.py, selection.py and splits.py, whose functions are here by name, and products.py
and measured.py, which make filters of several sizes at once, know nothing of networks. controls.py measures a network's
layers and what they would show anyway; layers.py shows it a few of them at a time, workers.py side by side, and
unfinished.py keeps what is made of them. runs.py does so for finished runs, foreign.py for anybody's ONNX file (with
shuffled.py in the place of the untrained network), and allocation.py makes of it a ratio for each layer. kernels.py looks at
trained cheap kernels, and crosschecks.py has what others measure of maps. at_size.py measures full-size networks of both
sorts alike, figure1.py has the paper's own pairs and ours, and looked_at.py one network to look at. What is fitted, what is
chosen and what is reported come from images of their own, or the report flatters itself.
"""

from ghostlib.redundancy.likeness import ghost_likeness, matched_pairs, similarity, source_of_ghosts
from ghostlib.redundancy.linear import LinearMaps, Scores, fit, linear_maps, patches_of, score
from ghostlib.redundancy.selection import best_sources, fewest_sources, most_telling, sources_among, without_diagonal
from ghostlib.redundancy.splits import resamples, split

__all__ = ["LinearMaps", "Scores", "best_sources", "fewest_sources", "fit", "ghost_likeness", "linear_maps", "matched_pairs",
           "most_telling", "patches_of", "resamples", "score", "similarity", "source_of_ghosts", "sources_among",
           "split", "without_diagonal"]
