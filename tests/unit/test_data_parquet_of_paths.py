"""Reading a CSV or TSV of paths and labels."""

from pathlib import Path

import pytest
from PIL import Image

from backburn.data.load_images import load_images
from backburn.errors import InputError


@pytest.fixture
def write(tmp_path):
    def table(text: str, name: str = "list.csv", encoding: str = "utf-8") -> Path:
        (tmp_path / name).write_text(text, encoding=encoding)
        return tmp_path / name

    (tmp_path / "in").mkdir()
    for level in (1, 2, 3):
        Image.new("L", (4, 4), level).save(tmp_path / "in" / f"{level}.png")
    return table


@pytest.mark.parametrize("header", ["path,label", "label,image", "Filename,Class", "n,file,label"])
def test_columns_are_found_by_their_names(write, header):
    rows = []
    for level, label in ((1, "dog"), (2, "cat")):
        named = {"label": label, "class": label, "n": "9"}
        rows.append([named.get(name.lower(), f"in/{level}.png") for name in header.split(",")])
    images = load_images(write("\n".join([header, *map(",".join, rows)])))
    assert (images.labels.tolist(), images.class_names) == ([1, 0], ("cat", "dog"))
    assert images.pixels[:, 0, 0, 0].tolist() == [1, 2]


def test_whole_numbers_are_labels_without_class_names(write):
    images = load_images(write("path,label\nin/1.png,10\nin/2.png,2\n"))
    assert (images.labels.tolist(), images.class_names) == ([10, 2], ())


def test_quotes_blank_lines_and_a_byte_order_mark_are_read(write):
    text = 'path,label\n"in/1.png","a, b"\n\nin/2.png,c\n'
    assert load_images(write(text, encoding="utf-8-sig")).class_names == ("a, b", "c")


def test_a_file_that_is_missing_is_skipped_and_named(write):
    images = load_images(write("path,label\nin/1.png,0\nin/9.png,0\nin/2.png,1\n"))
    assert images.names == ("in/1.png", "in/2.png")
    assert [entry.partition(":")[0] for entry in images.skipped] == ["in/9.png"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "needs a header with path .*found: nothing"),
        ("in/1.png,0\nin/2.png,1\n", "needs a header .*found: in/1.png, 0"),
        ("path,label\nin/1.png\n", "no label in 'in/1.png'"),
        ("path,label\nin/1.png,0\nin/2.png,\n", r"row 1 \(in/2.png\) of "),
        ("path,label\nin/1.png,0.0\nin/2.png,\n", r"row 1 \(in/2.png\) of "),
        ("path,label\nin/1.png,nan\nin/2.png,1\n", r"row 0 \(in/1.png\) of "),
        ("path,label\nin/1.png,-1\nin/2.png,1\n", "label '-1' of row 0"),
        ("path,label\nin/1.png,cat\nin/2.png,\n", r"row 1 \(in/2.png\) of "),
        ("path,label\nin/1.png,0\nin/2.png,99999999\n", "label 99999999 of in/2.png"),
        ("path,label\nin/1.png,0\nin/2.png,9999999999\n", "label '9999999999' of row 1"),
        ("path,label\n", "there are no images"),
    ],
)
def test_what_is_no_table_of_paths_and_labels_is_refused(write, text, told):
    with pytest.raises(InputError, match=rf"list\.csv.*{told}|{told}.*list\.csv"):
        load_images(write(text))


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "list.csv").write_bytes(b"path,label\n\xff\xfe,0\n")
    with pytest.raises(InputError, match=r"list\.csv cannot be read as a table"):
        load_images(tmp_path / "list.csv")


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["0_2", "4_6"], ("0_2", "4_6")),
        (["inf", "nan"], ("inf", "nan")),
        (["1e3", "2e3"], ("1e3", "2e3")),
        (["A", "0"], ("0", "A")),
        (["1.0", "0.0"], ()),
        (["1", "0"], ()),
    ],
)
def test_names_may_look_like_numbers(write, labels, names):
    text = "".join(f"in/{k}.png,{label}\n" for k, label in enumerate(labels, 1))
    images = load_images(write(f"path,label\n{text}"))
    assert images.class_names == names
    assert images.labels.tolist() == ([1, 0] if labels[0] > labels[1] else [0, 1])


@pytest.mark.parametrize("how", ["absolute", "windows", "semicolon", "tab", "file_name", "split"])
def test_tables_as_other_tools_write_them_are_read(write, tmp_path, how):
    text = {
        "absolute": f"path,label\n{tmp_path}/in/1.png,0\n{tmp_path}/in/2.png,1\n",
        "windows": "path,label\nin\\1.png,0\nin\\2.png,1\n",
        "semicolon": "path;label\nin/1.png;0\nin/2.png;1\n",
        "tab": "path\tlabel\nin/1.png\t0\nin/2.png\t1\n",
        "file_name": "file_name,label\nin/1.png,0\nin/2.png,1\n",
        "split": "path,label,split\nin/1.png,0,train\nin/2.png,1,train\nin/2.png,0,test\n",
    }[how]
    images = load_images(write(text))
    assert (images.names, images.labels.tolist()) == (("in/1.png", "in/2.png"), [0, 1])
    assert images.skipped == ()
