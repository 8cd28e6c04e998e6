"""The datasets of the fine-tuning study (docs/photographs.md), drawn from Imagenette into data/.

    python tools/draw_photographs.py

data/imagenette-seven has the classes to pretrain with. data/few/N_SEED has N photographs of each of the other three, and
their test photographs; data/few/20_100 is for choosing rates and is judged on a hundred other training photographs of each
class.
"""

from pathlib import Path

from ghostlib.data.imagenette import CLASSES, FOLDER
from ghostlib.data.subset import draw
from ghostlib.studies.fine_tuning import DRAWS, SIZES

DATA = Path("data")
SEVEN, THREE = list(CLASSES)[:-3], list(CLASSES)[-3:]
CHOOSING, JUDGED = (20, 100), 100  # photographs of a class and the seed that rates are chosen with, and how many judge them

if __name__ == "__main__":
    made = [draw(DATA / FOLDER, DATA / "imagenette-seven", SEVEN)]
    made += [draw(DATA / FOLDER, DATA / "few" / f"{size}_{seed}", THREE, size, seed) for size in SIZES
             for seed in range(DRAWS)]
    made.append(draw(DATA / FOLDER, DATA / "few" / "{}_{}".format(*CHOOSING), THREE, *CHOOSING, judged=JUDGED))
    print(f"{len(made)} datasets are in {DATA}")
