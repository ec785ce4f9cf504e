"""Tables: what is inferred, what is said, and a sentence for each way in which a file can be wrong."""

import gzip

import numpy as np
import pandas as pd
import polars as pl
import pytest

from thalweg.core import DataError, UsageError
from thalweg.data import Frame, Split, Table, prepare

SIZE = 60


@pytest.fixture
def houses(tmp_path):
    rng = np.random.default_rng(0)
    lines = ["id,age,city,when,new,const,empty,note,price"]
    for i in range(SIZE):
        age = "" if i % 7 == 0 else rng.integers(20, 60)
        lines.append(f"{i},{age},{'ABCD'[i % 4]},2024-01-{i % 28 + 1:02d},{i % 2 == 0},5,NA,n{i},{i * 1.5 + 0.25}")
    path = tmp_path / "houses.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def load(path, text, **fields):
    path = path / "t.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Table(path=str(path), **fields).load()


def fitted(dataset):
    return prepare(dataset, split=Split(), scaler=None, seed=0)


def keys(prepared):
    return {(note.key.removeprefix("data."), note.values.get("column")) for note in prepared.said}


def test_everything_that_is_inferred_is_said(houses):
    prepared = fitted(Table(path=str(houses)).load())
    names = prepared.preparation.feature_names
    assert names == ("age", "age is missing", "city=A", "city=B", "city=C", "city=D", "when", "new")
    assert prepared.preparation.target_names == ("price",)
    assert keys(prepared) >= {
        ("target_by_name", "price"),
        ("task_regression", "price"),
        ("dates", "when"),
        ("dropped_id", "id"),
        ("dropped_id", "note"),
        ("dropped_constant", "const"),
        ("dropped_empty", "empty"),
        ("imputed", "age"),
        ("scaler", None),
    }
    for note in prepared.said:
        assert note.text("en") and note.text("zh") != note.text("en")


def test_missing_numbers_get_the_training_median_and_a_mark(houses):
    dataset = Table(path=str(houses)).load()
    prepared = fitted(dataset)
    column = prepared.preparation.encoder.columns[0]
    train = dataset.inputs["age"].gather(prepared.train.rows.tolist())
    assert column.fill == train.median() and column.marked
    encoded = prepared.preparation.encoder.encode(dataset.inputs)
    absent = dataset.inputs["age"].is_null().to_numpy()
    assert (encoded[absent, 0] == column.fill).all()
    assert np.array_equal(encoded[:, 1], absent)


def test_all_formats_agree(houses, tmp_path):
    frame = pl.read_csv(houses, try_parse_dates=True, null_values="NA")
    frame.write_parquet(tmp_path / "houses.parquet")
    frame.write_csv(tmp_path / "houses.tsv", separator="\t")
    (tmp_path / "houses.csv.gz").write_bytes(gzip.compress(houses.read_bytes()))
    (tmp_path / "semi.csv").write_text("\ufeff" + houses.read_text().replace(",", ";").replace("\n", "\r\n"))
    expected = fitted(Table(path=str(houses)).load())
    sources = [Table(path=str(tmp_path / f"houses.{ending}")) for ending in ("parquet", "tsv", "csv.gz")]
    sources += [Table(path=str(tmp_path / "semi.csv")), Frame(frame=frame), Frame(frame=frame.lazy())]
    sources += [Frame(frame=pd.read_csv(houses, parse_dates=["when"]))]
    for source in sources:
        found = fitted(source.load())
        assert found.preparation.feature_names == expected.preparation.feature_names
        np.testing.assert_allclose(found.train.inputs.numpy(), expected.train.inputs.numpy(), atol=1e-6)
        np.testing.assert_allclose(expected.preparation.encode(source)[expected.train.rows], expected.train.inputs)


def test_a_frame_can_be_saved_and_read_again(tmp_path):
    frame = pl.DataFrame({"x": range(30), "label": ["a", "b", "c"] * 10})
    source = Frame(frame=frame, target="label")
    table = source.save(tmp_path / "f.parquet")
    assert np.array_equal(table.load().targets, source.load().targets)
    assert table.fingerprint() and source.fingerprint()
    assert source.fingerprint() != Frame(frame=frame.head(29)).fingerprint()


@pytest.mark.parametrize(
    ("column", "task", "count"),
    [
        (["yes", "no"] * 10, "classification", 2),
        ([0, 1, 2, 3] * 5, "classification", 4),
        ([0.0, 1.0] * 10, "classification", 2),
        ([True, False] * 10, "classification", 2),
        ([i * 0.5 for i in range(20)], "regression", 0),
        (list(range(100, 120)), "regression", 0),
    ],
)
def test_the_task_is_read_off_the_target(column, task, count):
    dataset = Frame(frame=pl.DataFrame({"x": range(20), "t": column})).load()
    assert (dataset.task, len(dataset.class_names)) == (task, count)


def test_the_task_can_be_set():
    frame = pl.DataFrame({"x": range(20), "t": [0, 1, 2, 3] * 5})
    dataset = Frame(frame=frame, task="regression").load()
    assert dataset.task == "regression" and dataset.targets.dtype == np.float64
    with pytest.raises(UsageError, match="must be classification or regression"):
        Frame(frame=frame, task="clustering")


@pytest.mark.parametrize(("names", "target"), [("x,Label,z", "Label"), ("x,y,z", "y"), ("a,b,c", "c")])
def test_the_target_is_guessed(tmp_path, names, target):
    rows = "".join(f"{i},{i % 2},{i % 2}\n" for i in range(9))
    assert load(tmp_path, f"{names}\n{rows}").target_names == (target,)


def test_rows_without_target_are_left_out(tmp_path):
    dataset = load(tmp_path, "x,y\n" + "".join(f"{i},{'' if i in (2, 5) else i % 2}\n" for i in range(12)))
    assert len(dataset) == 10 and 2.0 not in dataset.inputs["x"]
    assert any(note.key == "data.no_target" and note.values["count"] == 2 for note in dataset.said)


def test_numbers_can_be_names(tmp_path):
    text = "zip,y\n" + "".join(f"{[100, 200, 300][i % 3]},{i % 2}\n" for i in range(30))
    prepared = fitted(load(tmp_path, text, categories=("zip",)))
    assert prepared.preparation.feature_names == ("zip=100", "zip=200", "zip=300")
    again = prepared.preparation.encode(pl.DataFrame({"zip": [100, 300]}))
    assert (again > 0).tolist() == [[True, False, False], [False, False, True]]


def test_columns_can_be_dropped(tmp_path):
    text = "a,b,y\n" + "".join(f"{i},{-i},{i % 2}\n" for i in range(30))
    assert load(tmp_path, text, drop=("b",)).feature_names == ("a",)
    with pytest.raises(DataError, match="did you mean 'b'"):
        load(tmp_path, text, drop=("bb",))


def test_many_categories_are_capped():
    words = [f"w{i % 50}" for i in range(400)]
    prepared = fitted(Frame(frame=pl.DataFrame({"w": words, "x": range(400), "y": [0, 1] * 200})).load())
    names = prepared.preparation.feature_names
    assert len(names) == 33 and "w=(other)" in names
    assert ("capped", "w") in keys(prepared)


def test_a_table_without_header_is_taken_as_data(tmp_path):
    dataset = load(tmp_path, "".join(f"{i},{i % 2}\n" for i in range(12)))
    assert len(dataset) == 12 and dataset.target_names == ("column_2",)
    assert any(note.key == "data.headless" for note in dataset.said)


def test_nested_columns_are_left_out():
    frame = pl.DataFrame({"x": range(12), "bag": [[1, 2]] * 12, "y": [0, 1] * 6})
    prepared = fitted(Frame(frame=frame).load())
    assert ("dropped_type", "bag") in keys(prepared)
    with pytest.raises(DataError, match="can be neither classes nor values"):
        Frame(frame=frame, target="bag").load()
    with pytest.raises(DataError, match=r"no column is left.*`bag` left out"):
        Frame(frame=frame.select("bag", pl.Series("y", [None, 1] * 6))).load()


def test_blank_lines_and_quotes(tmp_path):
    text = 'a,b\n"1",x\n\n2,"y, z"\n3,"new\nline"\n' + "4,x\n5,x\n"
    dataset = load(tmp_path, text)
    assert dataset.inputs["a"].to_list() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert "y, z" in dataset.class_names


BAD = {
    "": "the file is empty",
    "  \n \n": "the file is empty",
    "a,b\n": "a header but no row",
    "a,b,c\n1,2,3\n1,2\n": "row 3, column 3: it has 2 cells, the first row has 3",
    "a,b\n1,2\n1,2,3\n": "row 3, column 3: it has 3 cells, the first row has 2",
    "a,a\n1,2\n": "column 'a': two columns have this name",
    "a,b\n" + "1,2\n" * 5 + "x1,2\n": "row 7, column 'a': 'x1' is not a number",
    "a,b\n" + "1,2\n2,3\n" * 5 + "3,two\n": "row 12, column 'b': 'two' is not a number; .*task = classification",
    "a,b\n" + "1,2\n" * 5 + "-inf,3\n": "row 7, column 'a': '-inf' is infinite",
    "a,b\n" + "1,2\n" * 5 + '1,"2\n': "cannot be read as CSV",
    "a;b\n" + "1,5;2\n2,5;1\n" * 5: "row 2, column 'a': '1,5' is a number with a comma",
    "a,b\n" + "1,\n" * 5: "column 'b': the target is missing in every row",
    "a,b\n" + "1,7\n" * 5: "single class '7'",
    "a,b\n" + "1,7.5\n" * 5: "7.5 in every row",
    "a\n1\n2\n": "no column besides the target",
    "a,b\n" + "1,0\n1,1\n" * 9: "no column is left.*`a` left out: it is 1",
    "a,b\n" + "".join(f"{i},n{i}\n" for i in range(20)): "20 different values in 20 rows, too many to be classes",
    b"a,b\n1,2\n1,\xff\n": "row 3: byte 0xff is not UTF-8",
    "a,b\n1,2\n".encode("utf-16"): "not UTF-8",
}


@pytest.mark.parametrize("text", BAD)
def test_bad_tables_get_one_sentence(tmp_path, text):
    with pytest.raises(DataError, match=BAD[text]) as caught:
        fitted(load(tmp_path, text))
    assert "t.csv" in str(caught.value) and "\n" not in str(caught.value)


def test_a_target_that_does_not_exist(tmp_path):
    with pytest.raises(DataError, match=r"t.csv: Unknown column 'prise': did you mean 'price'"):
        load(tmp_path, "a,price\n1,2\n2,3\n", target="prise")


def test_files_that_are_missing_damaged_or_something_else(houses, tmp_path):
    with pytest.raises(DataError, match=r"no such file; did you mean '.*houses.csv'"):
        Table(path=str(tmp_path / "house.csv")).load()
    with pytest.raises(DataError, match="a folder, not a file"):
        Table(path=str(tmp_path)).load()
    pl.read_csv(houses).write_parquet(tmp_path / "t.parquet")
    content = (tmp_path / "t.parquet").read_bytes()
    (tmp_path / "t.parquet").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        Table(path=str(tmp_path / "t.parquet")).load()
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(houses.read_bytes())[:100])
    with pytest.raises(DataError, match="cannot be read"):
        Table(path=str(tmp_path / "t.csv.gz")).load()
    (tmp_path / "t.xls").write_text("x")
    with pytest.raises(UsageError, match=r"reads .csv, .tsv and .parquet"):
        Table(path=str(tmp_path / "t.xls")).load()


def test_two_pandas_columns_of_one_name():
    frame = pd.DataFrame([[1, 2, 0], [3, 4, 1]], columns=["a", "a", "y"])
    with pytest.raises(DataError, match="two columns are called 'a'"):
        Frame(frame=frame).load()


def test_pandas_words_truths_and_categories():
    frame = pd.DataFrame(
        {
            "word": ["a", "b", None] * 8,
            "truth": [True, False] * 12,
            "group": pd.Categorical([1, 2, 3, 4] * 6),
            "part": [1.5, None] * 12,
            "y": [0, 1] * 12,
        }
    )
    names = fitted(Frame(frame=frame).load()).preparation.feature_names
    assert names[:4] == ("word=a", "word=b", "word is missing", "truth")
    assert "group=4" in names and "part is missing" in names
