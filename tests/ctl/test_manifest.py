"""YAML as Kubernetes reads it, and texts that stay as they were."""

import pytest
import yaml

from ctl.errors import UsageError
from ctl.manifest import Document, join_documents, read_documents, rewritten, write_document

STREAMS = {
    "one": "a: 1\n",
    "comments everywhere": "# head\na: 1  # tail\n\n---\n# second\nb: 2\n# end\n",
    "marked": "---\na: 1\n---\nb: 2\n",
    "comment above the mark": "# head\n---\na: 1\n",
    "flow style": "{a: 1, b: [x,  y]}\n",
    "json": '{\n\t"a": 1\n}\n',
    "json twice": '{"a": 1}\n---\n{"b": 2}\n',
    "empty documents": "---\n---\na: 1\n---\n# nothing\n",
    "ended documents": "a: 1\n...\n---\nb: 2\n...\n",
    "directive": "%YAML 1.1\n---\na: 1\n",
    "quotes and blocks": "a: 'x'\nb: \"y\"\nc: |-\n  echo   1\n\n  echo 2\nd: >\n  long\n  text\n",
    "anchors": "a: &x {k: v}\nb: *x\n",
    "nothing": "",
    "only a comment": "# nothing here\n",
}


@pytest.mark.parametrize("text", STREAMS.values(), ids=STREAMS)
def test_what_is_read_is_written_to_the_letter(text: str) -> None:
    """Documents that nobody changes keep every character, comments and quotes included."""
    documents = read_documents(text, "file")

    assert join_documents(documents) == (text if documents else "")


@pytest.mark.parametrize("text", STREAMS.values(), ids=STREAMS)
def test_a_rewritten_stream_says_the_same(text: str) -> None:
    """Documents that are written anew read as before, one by one."""
    documents = read_documents(text, "file")

    again = read_documents(join_documents(rewritten(one, one.content) for one in documents), "file")

    assert [one.content for one in again] == [one.content for one in documents]


def test_comments_above_a_document_survive_its_rewriting() -> None:
    """Helm's `# Source:` lines stay above the object that they speak of."""
    text = "a: 1\n---\n# Source: chart/templates/pod.yaml\nb: 2 # gone\n"
    first, second = read_documents(text, "file")

    assert join_documents([first, rewritten(second, {"b": 3})]) == (
        "a: 1\n---\n# Source: chart/templates/pod.yaml\nb: 3\n"
    )


def test_files_do_not_run_together() -> None:
    """A stream that starts without a mark, or ends without a newline, is set apart from the one before."""
    documents = [
        *read_documents("a: 1", "one"),
        *read_documents("# two\nb: 2", "two"),
        *read_documents("---\nc: 3", ""),
    ]

    stream = join_documents(documents)

    assert stream == "a: 1\n---\n# two\nb: 2\n---\nc: 3\n"
    assert list(yaml.safe_load_all(stream)) == [{"a": 1}, {"b": 2}, {"c": 3}]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2024-01-01", "2024-01-01"),
        ("12:30:45", "12:30:45"),
        ("y", True),
        ("off", False),
        ("0644", 420),
        ("0o17", 15),
        ("0x1F", 31),
        ("1e3", 1000.0),
        ("1_000", 1000),
        ("5m", "5m"),
        ("~", None),
        ("", None),
        ("'1e3'", "1e3"),
        ("=", "="),
    ],
)
def test_scalars_are_read_as_kubernetes_reads_them(written: str, read: object) -> None:
    """No dates and no sexagesimal numbers, but go-yaml's booleans and octal numbers."""
    (document,) = read_documents(f"a: {written}\n", "file")

    assert document.content == {"a": read}
    assert type(document.content["a"]) is type(read)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "1e3",
            "y",
            "n",
            "Yes",
            "off",
            "0644",
            "0o17",
            "1_000",
            "2024-01-01",
            "12:30",
            "~",
            "null",
            "",
            " x",
            "-",
            "=",
        ),
        *(
            "<<",
            "5m",
            "nginx:1.25",
            "a: b",
            "# c",
            "@at",
            "*star",
            "a\nb\n",
            "a\nb",
            "trailing \nspace",
            "é",
            "😀",
            "\t",
        ),
    ],
)
def test_strings_stay_strings(text: str) -> None:
    """What a string could be taken for is quoted: both PyYAML and Kubernetes read it back."""
    written = write_document({"a": text})

    assert yaml.safe_load(written) == {"a": text}
    assert read_documents(written, "file")[0].content == {"a": text}


def test_field_order_and_shared_nodes() -> None:
    """Fields keep their order, and no anchor is written where the input had one."""
    (document,) = read_documents("z: &x {k: v}\na: *x\n", "file")

    assert write_document(document.content) == "z:\n  k: v\na:\n  k: v\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1\n", "file: line 2, column 1: expected ',' or ']', but got '<stream end>': write it as YAML or JSON"),
        ("a: 1\n b: secret-value\n", "file: line 2, column 3: mapping values are not allowed here: "),
        ("a: !Ref x\n", "file: line 1, column 4: could not determine a constructor for the tag '!Ref': "),
        ("a: &x [*x]\n", "file: line 1, column 4: found unconstructable recursive node: "),
        ("a: \x00\n", "file: it is not YAML that Kubernetes reads: "),
        ("a: " + "[" * 1500, "file: it is not YAML that Kubernetes reads: "),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(text: str, message: str) -> None:
    """File, line and column, and nothing of the content: a Secret may stand beside the mistake."""
    with pytest.raises(UsageError) as raised:
        read_documents(text, "file")

    assert str(raised.value).startswith(message)
    assert "secret-value" not in str(raised.value)


def test_documents_are_counted() -> None:
    """Of several documents each message says which."""
    origins = [document.origin for document in read_documents("a: 1\n---\nb: 2\n", "pod.yaml")]

    assert origins == ["pod.yaml, document 1", "pod.yaml, document 2"]
    assert isinstance(read_documents("a: 1\n", "pod.yaml")[0], Document)
    assert read_documents("a: 1\n", "pod.yaml")[0].origin == "pod.yaml"
