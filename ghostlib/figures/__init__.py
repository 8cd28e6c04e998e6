"""Every figure, from arrays or rows to axes, in the file of its topic: no training, no files, no MindSpore.

A new one goes where its kind is, and here into the list: `figures.fig_x` is its name everywhere.
"""

from ghostlib.figures.ablation import fig_accuracy, fig_contrasts, fig_cost, fig_layer_ratios
from ghostlib.figures.architecture import fig_bottlenecks, fig_stages
from ghostlib.figures.at_size import fig_by_kind, fig_orders, fig_training
from ghostlib.figures.fine_tuning import fig_few
from ghostlib.figures.ghosts import fig_ghost_maps
from ghostlib.figures.kernels import fig_kernels, fig_patterns
from ghostlib.figures.latency import fig_kinds, fig_latency
from ghostlib.figures.lesions import fig_guides, fig_lesions, fig_lesions_by_depth
from ghostlib.figures.maps import fig_filter, fig_matched_maps, fig_module
from ghostlib.figures.mosaic import Tile, grey, mosaic, signed, stacked
from ghostlib.figures.photographs import fig_rates, fig_runs
from ghostlib.figures.regime import fig_regime
from ghostlib.figures.studies import fig_allowed_ratio, fig_by_depth, fig_controls, fig_rivals, fig_speedup
from ghostlib.figures.style import style
from ghostlib.figures.training import fig_confusion, fig_curves, fig_pictures, fig_schedule

__all__ = ["Tile", "fig_accuracy", "fig_allowed_ratio", "fig_bottlenecks", "fig_by_depth", "fig_by_kind", "fig_confusion",
           "fig_contrasts", "fig_controls", "fig_cost", "fig_curves", "fig_few", "fig_filter", "fig_ghost_maps",
           "fig_guides", "fig_kernels", "fig_kinds", "fig_latency", "fig_layer_ratios", "fig_lesions",
           "fig_lesions_by_depth", "fig_matched_maps", "fig_module", "fig_orders", "fig_patterns", "fig_pictures",
           "fig_rates", "fig_regime", "fig_rivals", "fig_runs", "fig_schedule", "fig_speedup", "fig_stages",
           "fig_training", "grey", "mosaic", "signed", "stacked", "style"]
