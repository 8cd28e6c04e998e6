"""The one quiet style of all figures, and the colours that mean something."""

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

# Red frames as in the paper's Figure 4, whose green ones colour-blind eyes could not tell from them: blue and lighter.
INTRINSIC, GHOST = "#b2281e", "#4aa3df"
TRAIN, TEST = "#4c72b0", "#dd8452"


def style() -> None:
    """One quiet style for all figures, and tables whose cells are shown whole: call it once, before the first."""
    sns.set_theme(context="notebook", style="ticks", palette="colorblind", font_scale=0.9)
    plt.rcParams.update({"figure.dpi": 150, "savefig.dpi": 150, "savefig.bbox": "tight", "axes.spines.top": False,
                         "axes.spines.right": False, "axes.titlesize": "medium", "figure.constrained_layout.use": True,
                         "image.cmap": "gray", "legend.frameon": False})
    pd.set_option("display.max_colwidth", None)
