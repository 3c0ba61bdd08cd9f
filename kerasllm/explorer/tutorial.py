"""Three questions about a model, and the steps that answer them in the page."""

from kerasllm.utils.pages import element

# What is asked, of what model, and what to do. The tests do the same on models whose mechanism is
# known.
TASKS = (
    ("Which unit carries the number of the subject?", "An LSTM or GRU language model.", (
        "Read “The cats near the tree”, and “The cat near the tree” beside it.",
        "Choose the layer of the LSTM and its symbol c (h of a GRU). The two pictures stand side "
        "by side. A unit that differs between them at the last word may carry the number; that it "
        "differs says no more.",
        "Choose any number of the picture at the word “near”: what is tried is now tried there.",
        "Press “Try every unit”. Each unit in turn is given the value that it has in the second "
        "text. The first of the list moves the answer most. If it alone turns the answer from "
        "“are” to “is”, it carries the number; if no unit does so alone, several share it.",
        "Press “Do it” at the first, and look at the answer. “Undo”, and do it with a unit from "
        "the end of the list: that is the control, and the answer should stay.",
    )),
    ("Which head copies?", "A Transformer language model.", (
        "Read a text in which a rare word or name follows another twice, and stop before it would "
        "come a third time: “Tom Brown met Ann. Then Tom”.",
        "Look at the answer: is “Brown” likely? A model that cannot copy has no head that copies.",
        "Choose the symbol weights of an attention, and look at the heads. One that copies looks "
        "from the last “Tom” at the token behind the first.",
        "Press “Try every head”. Each is silenced in turn. The first of the list is the one whose "
        "silence moves the answer most.",
        "Choose that head, and its weight from the last token (row) to “Brown” (column). Press "
        "“Cut this edge”. If the probability of “Brown” falls as far as when the head is silent, "
        "the copy goes along that edge.",
        "“Undo all”, and cut another edge of the same head, or silence the last head of the list: "
        "that is the control.",
    )),
    ("Why was this review called negative?", "A classifier.", (
        "Read the review.",
        "Press “Try every token”. The embedding of each token in turn is put to 0, and the first "
        "of the list moves the probabilities most.",
        "Press “Do it” at the first. If the class turns, the model called the review negative "
        "because of this token. If it does not, go on with the next: several tokens say the same.",
        "Read the same review beside it with that word exchanged for another that says the "
        "opposite. If the class turns there too, it was the word and not the hole that it left.",
        "A large attention weight or a large number in a picture is no reason: what was used is "
        "what changes the answer when it is changed.",
    )),
)  # fmt: skip


def tutorial():
    """Return the three questions, folded."""
    parts = [
        part
        for ask, of, steps in TASKS
        for part in (
            element("h3", ask),
            element("p", of),
            element("ol", *(element("li", step) for step in steps)),
        )
    ]
    return element(
        "details",
        element("summary", "Three questions, and how to answer them here"),
        *parts,
        id="tutorial",
    )
