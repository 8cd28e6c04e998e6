"""What rows are about: their tables, the columns by which they are of one network, and whose maps they tell of."""

TABLES = "redundancy", "allowed_ratio", "intrinsic"  # files data/results/NAME.csv
OF_ONE_RUN = "dataset", "model", "width", "seed", "epochs", "s", "d", "images"  # columns by which rows are of one run
# Those of a trained network, and what they are compared with.
TRAINED, UNTRAINED, SCRAMBLED, GREY, OTHER_IMAGE = SOURCES = (
    "trained", "untrained", "phase-scrambled images", "greyscale input", "maps of another image")
TARGETS = 32  # maps of a layer of a full-size network, at most, that are predicted (`at_size.py`)
SHUFFLED_WEIGHTS = "shuffled weights"  # in the place of the untrained network, where there is none: see `shuffled.py`

# What is done to a module's maps in `lesions.py`: which are replaced, half of a set each time or one alone, and by what.
GHOSTS, INTRINSIC = "ghosts", "intrinsic maps"
LIKELY, UNLIKELY = "most predictable", "least predictable"  # halves of a plain module's maps
ALL = "all maps"
MEAN, PREDICTED, OWN = "their mean", "other maps", "other maps, own source too"
LESIONS = "network", "s", "d", "epochs", "seed"  # columns by which rows of lesions are of one network
