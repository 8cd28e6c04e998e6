"""Which copy of Imagenette's photographs rows were made from, in words. Rows only."""

import pandas as pd

SQUASHED = "f217b7405022fa895254ffaf5eb934d9"  # fingerprint of the copy whose photographs were all scaled to 224 x 224
# First digits of the fingerprints of its parts: nine tenths of train/ with the rest held out (the pilot's), the hundred of
# the notebook on ImageNet, and what tools/draw_photographs.py draws: seven classes, three to choose rates with, few.csv's.
PARTS = ("bd578502", "bb653be7", "d0470aaa", "29f3c775",
         "056df4cb", "092109c2", "25cabf83", "4aacb1e8", "6595a138", "6e882950", "7c1fa5ef", "843ddabf", "9d5cb52c",
         "a7eb8f05", "aa4edf21", "ae8dbb91", "b60ca0e9", "baa9ce6b", "bf0040b7", "c0383df5", "c405e9fe", "e9b7bef4",
         "ee95a9d2", "efe5ef3d")
MEASURED = {"10995510b3431d8e": SQUASHED}  # by point, of rows from before measurements noted the fingerprint
FINGERPRINT = "data_fingerprint"


def copy_of(rows: pd.DataFrame) -> str:
    """Which copy of Imagenette rows were made from, by their fingerprints, in words."""
    prints = rows[FINGERPRINT] if FINGERPRINT in rows else pd.Series(None, rows.index, dtype=object)
    if "point" in rows:
        prints = prints.fillna(rows.point.map(MEASURED))
    return ", ".join(dict.fromkeys(_named(one) for one in prints))


def _named(fingerprint: object) -> str:
    if not isinstance(fingerprint, str):
        return "which copy was not noted"
    of_it = fingerprint == SQUASHED or fingerprint.startswith(PARTS)
    return "squashed copy" if of_it else f"a copy with fingerprint {fingerprint[:8]}"
