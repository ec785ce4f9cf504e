"""Images: IDX as MNIST ships, and folders by class."""

import gzip
import struct

import numpy as np
import pytest
from PIL import Image

from thalweg.core import DataError
from thalweg.data import Idx, ImageFolder, Split, prepare

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (40, 6, 5), dtype=np.uint8)
LABELS = (np.arange(40) % 4).astype(np.uint8)


def idx(array: np.ndarray, code: int = 8) -> bytes:
    return struct.pack(">HBB", 0, code, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def mnist(tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(PIXELS))
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS)))
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(PIXELS)))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(LABELS))
    return tmp_path


@pytest.mark.parametrize("name", ["", "train-images-idx3-ubyte", "t10k-images-idx3-ubyte.gz"])
def test_idx_finds_its_labels(mnist, name):
    source = Idx(path=str(mnist / name))
    dataset = source.load()
    assert np.array_equal(dataset.inputs[:, 0], PIXELS) and np.array_equal(dataset.targets, LABELS)
    assert dataset.full_scale == 255 and dataset.kind == "image"
    assert isinstance(dataset.inputs, np.memmap) == ("t10k" not in name)
    assert len(source.fingerprint()) == 16
    preparation = prepare(dataset, split=Split(), scaler=None, seed=0).preparation
    assert preparation.encode(source).shape == (40, 1, 6, 5)


def test_idx_labels_can_be_named(mnist):
    (mnist / "other").write_bytes(idx(LABELS[::-1].copy()))
    dataset = Idx(path=str(mnist / "train-images-idx3-ubyte"), labels=str(mnist / "other")).load()
    assert np.array_equal(dataset.targets, LABELS[::-1])


def test_idx_of_other_numbers_is_big_endian(tmp_path):
    values = RNG.normal(size=(12, 2, 2)).astype(">f8")
    (tmp_path / "a").write_bytes(idx(values, 0x0E))
    (tmp_path / "b").write_bytes(idx(LABELS[:12]))
    dataset = Idx(path=str(tmp_path / "a"), labels=str(tmp_path / "b")).load()
    prepared = prepare(dataset, split=Split(validation=0, test=0), scaler=None, seed=0, resident_bytes=0)
    assert not prepared.train.resident
    assert abs(float(prepared.train.batch(np_index(12))[0].mean())) < 1e-6


def np_index(count):
    import torch

    return torch.arange(count)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (idx(PIXELS)[:-3], "has 1213 bytes, its header promises 1216"),
        (idx(PIXELS) + b"1", "promises"),
        (b"\0\0\x08", "does not start as an IDX file"),
        (b"hello world", "does not start as an IDX file"),
        (idx(np.zeros((0, 3, 3), np.uint8)), "holds nothing"),
        (idx(LABELS), "is it the labels"),
        (b"", "the file is empty"),
    ],
)
def test_bad_idx(mnist, content, sentence):
    (mnist / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(DataError, match=sentence):
        Idx(path=str(mnist / "train-images-idx3-ubyte")).load()


def test_bad_idx_pairs(mnist):
    (mnist / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(PIXELS))[:60])
    with pytest.raises(DataError, match="cannot be read as gzip"):
        Idx(path=str(mnist / "t10k-images-idx3-ubyte.gz")).load()
    (mnist / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS[:9])))
    with pytest.raises(DataError, match="X has 40 examples, y has 9"):
        Idx(path=str(mnist)).load()
    (mnist / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match="no train-labels-idx1-ubyte beside it"):
        Idx(path=str(mnist)).load()
    (mnist / "empty").mkdir()
    with pytest.raises(DataError, match="holds no file like train-images"):
        Idx(path=str(mnist / "empty")).load()


@pytest.fixture
def zoo(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for i in range(6):
            Image.fromarray(PIXELS[i]).save(tmp_path / name / f"{i}.png")
    return tmp_path


def test_a_folder_of_grey_images(zoo):
    (zoo / "readme.txt").write_text("x")
    source = ImageFolder(path=str(zoo))
    dataset = source.load()
    assert dataset.inputs.shape == (12, 1, 6, 5) and dataset.class_names == ("cat", "dog")
    assert np.array_equal(dataset.inputs[:6, 0], PIXELS[:6])
    assert [note.values["count"] for note in dataset.said] == [1]
    preparation = prepare(dataset, split=Split(), scaler=None, seed=0).preparation
    assert preparation.encode(ImageFolder(path=str(zoo / "cat"))).shape == (6, 1, 6, 5)
    before = source.fingerprint()
    Image.fromarray(PIXELS[7]).save(zoo / "cat" / "0.png")
    assert source.fingerprint() != before


def test_one_coloured_image_makes_all_coloured(zoo):
    Image.fromarray(RNG.integers(0, 256, (6, 5, 3), dtype=np.uint8)).save(zoo / "dog" / "c.png")
    dataset = ImageFolder(path=str(zoo)).load()
    assert dataset.inputs.shape == (13, 3, 6, 5)
    assert np.array_equal(dataset.inputs[0, 0], dataset.inputs[0, 2])


def test_sixteen_bits_become_eight(zoo):
    Image.fromarray(PIXELS[0].astype(np.uint16) * 257).save(zoo / "cat" / "0.png")
    assert np.array_equal(ImageFolder(path=str(zoo)).load().inputs[0, 0], PIXELS[0])


def test_bad_images(zoo):
    Image.fromarray(PIXELS[0, :4]).save(zoo / "dog" / "small.png")
    with pytest.raises(DataError, match=r"small.png: the image is 5 x 4, but .*0.png is 5 x 6"):
        ImageFolder(path=str(zoo)).load()
    assert ImageFolder(path=str(zoo), size=4).load().inputs.shape == (13, 1, 4, 4)
    content = (zoo / "dog" / "small.png").read_bytes()
    for damaged in (content[:40], b"no image", b""):
        (zoo / "dog" / "small.png").write_bytes(damaged)
        with pytest.raises(DataError, match=r"small.png: it cannot be read as an image"):
            ImageFolder(path=str(zoo)).load()


def test_bad_folders(zoo, tmp_path):
    with pytest.raises(DataError, match="it holds 0 folders of images"):
        ImageFolder(path=str(zoo / "cat")).load()
    with pytest.raises(DataError, match="a file, not a folder"):
        ImageFolder(path=str(zoo / "cat" / "0.png")).load()
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="no image below"):
        ImageFolder(path=str(tmp_path / "none")).load_inputs()
