"""Personal data is masked where its form and check digit say so, and ordinary numbers stay."""

import pytest

from kerasllm.text import mask_personal_data

# The card number is the usual test number, the identity number that of the Chinese standard.
FOUND = {
    "EMAIL": ["ann.lee+news@mail.example.org", "a@b.cn"],
    "URL": ["https://example.org/a?b=c#d", "www.example.com", "http://user@example.org/x"],
    "PHONE": ["+44 20 7946 0958", "138 1234 5678", "13812345678", "010-12345678",
              "(555) 123-4567", "555-123-4567"],
    "CARD": ["4111 1111 1111 1111", "4111-1111-1111-1111", "4111111111111111"],
    "ID": ["11010519491231002X", "11010519491231002x"],
    "IP": ["192.168.0.1"],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "data"), [(k, d) for k, all_ in FOUND.items() for d in all_])
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
