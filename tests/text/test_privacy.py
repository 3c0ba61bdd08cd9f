"""Personal data is masked where its form and check digit say so, and ordinary numbers stay."""

import runpy
from pathlib import Path

import pytest

from kerasllm.text import mask_personal_data
from kerasllm.text.privacy import find_personal_data

# The card number is the usual test number, the identity number that of the Chinese standard.
FOUND = {
    "EMAIL": ["ann.lee+news@mail.example.org", "a@b.cn"],
    "URL": ["https://example.org/a?b=c#d", "www.example.com", "http://user@example.org/x"],
    "PHONE": ["+44 20 7946 0958", "138 1234 5678", "13812345678", "010-12345678",
              "(555) 123-4567", "555-123-4567"],
    "CARD": ["4111 1111 1111 1111", "4111-1111-1111-1111", "4111111111111111"],
    "ID": ["11010519491231002X", "11010519491231002x"],
    "IP": ["192.168.0.1", "2001:db8:85a3::8a2e:370:7334"],
    "EMAIL ": ["tom (at) example (dot) org", "a＠b.cn"],
    "ID ": ["110105 19491231 002X", "DE89 3704 0044 0532 0130 00"],
    "PHONE ": ["１３８００１３８００３", "400-123-4567", "(020) 7946 0123"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "data"), [(k.strip(), d) for k, all_ in FOUND.items() for d in all_]
)
def test_masked(kind, data):
    for before, after in (("Look: ", ", please."), ("看", "。"), ("(", ")")):
        masked = mask_personal_data(before + data + after)
        assert masked.text == f"{before}[{kind}]{after}"
        assert masked.found == {kind: 1}


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",
        "110105194912310021",
        "in 2024, 1,234,567 of 89.5",
        "version 1.2.3",
        "a @ b",
        "3.14159265358",
        "DE88 3704 0044 0532 0130 00",  # the check digits are another account's
        "QQ群里有12345人",
        "订单40213456789012已发货",
        "np.array and os.path",
    ],
)
def test_ordinary_numbers_stay(text):
    assert mask_personal_data(text) == (text, {})


def test_kinds_can_be_chosen():
    text = "a@b.cn or a@b.cn, 192.168.0.1"
    assert mask_personal_data(text, ("IP",)).text == "a@b.cn or a@b.cn, [IP]"
    assert mask_personal_data(text).found == {"EMAIL": 2, "IP": 1}
    with pytest.raises(ValueError, match="MAIL"):
        mask_personal_data(text, ("MAIL",))


def test_what_stands_before_an_account_says_what_it_is():
    assert mask_personal_data("加QQ：123456789，微信号 li_2020").text == (
        "加QQ：[ACCOUNT]，微信号 [ACCOUNT]"
    )
    assert mask_personal_data("123456789 li_2020").found == {}


def test_places_are_those_of_the_text_as_it_is_written():
    assert find_personal_data("打１３８００１３８００３，") == [(1, 12, "PHONE")]


DATA = Path(__file__).resolve().parents[2] / "data" / "personal.py"


@pytest.mark.skipif(not DATA.is_file(), reason="needs the repository's data/ folder")
def test_the_labelled_set_gives_the_figures_that_are_told():
    """Figures of data/README.md: what was seen while the rules were mended, and what was not."""
    counts, _ = runpy.run_path(str(DATA))["measure"]()
    told = {key: (row["found"], row["there"], row["false"]) for key, row in counts.items()}
    assert told == {
        ("en", "mended"): (26, 26, 1),
        ("en", "unseen"): (18, 18, 0),
        ("zh", "mended"): (24, 24, 0),
        ("zh", "unseen"): (14, 15, 1),
    }
