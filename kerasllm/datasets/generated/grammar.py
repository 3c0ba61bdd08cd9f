"""A probabilistic grammar of English-like sentences, with its exact entropy."""

import numpy as np

from kerasllm.datasets.generated.language import Language, entropy

END = ""  # stands where the next word would, when there is none

# Names in capitals are symbols, the rest is words. Alternatives without a number get random
# probabilities. A verb agrees with its subject (1: one, 2: many) over whatever detail is between.
RULES = """
SENTENCE = CLAUSE MORE
MORE = 0.8: | 0.2: JOIN CLAUSE MORE
CLAUSE = 0.6: THING1 ACT1 | 0.4: THING2 ACT2
THING = 0.6: THING1 | 0.4: THING2
THING1 = 0.25: NAME | 0.75: DET1 ADJECTIVES NOUN1 DETAIL1
THING2 = DET2 ADJECTIVES NOUN2 DETAIL2
ADJECTIVES = 0.7: | 0.3: ADJECTIVE ADJECTIVES
DETAIL1 = 0.7: | 0.15: PLACE THING | 0.15: that WHICH1
DETAIL2 = 0.7: | 0.15: PLACE THING | 0.15: that WHICH2
WHICH1 = 0.6: ACT1 | 0.25: THING1 DOES1 | 0.15: THING2 DOES2
WHICH2 = 0.6: ACT2 | 0.25: THING1 DOES1 | 0.15: THING2 DOES2
ACT1 = 0.45: RESTS1 HOW | 0.4: DOES1 THING | 0.15: SAYS1 that CLAUSE
ACT2 = 0.45: RESTS2 HOW | 0.4: DOES2 THING | 0.15: SAYS2 that CLAUSE
HOW = 0.6: | 0.4: MANNER
JOIN = and | but | because | while | until
NAME = Ana | Tom | Mei | Omar | Lena
DET1 = a | this | every | one
DET2 = these | many | several | two
ADJECTIVE = old | small | clever | green | quiet | hungry | famous | tired
NOUN1 = fox | farmer | teacher | river | boat | child | robot | garden | doctor | bird
NOUN2 = foxes | farmers | teachers | rivers | boats | children | robots | gardens | doctors | birds
PLACE = near | behind | under | beside
RESTS1 = sleeps | waits | sings | falls | returns
RESTS2 = sleep | wait | sing | fall | return
DOES1 = sees | follows | paints | loves | finds | forgets
DOES2 = see | follow | paint | love | find | forget
SAYS1 = says | knows | hopes
SAYS2 = say | know | hope
MANNER = slowly | often | today | again | together
"""


class GrammarLanguage(Language):
    r"""A context-free grammar in which each symbol is rewritten by a rule drawn at random.

    $$H_A = h_A + \sum_B M_{AB} H_B \qquad L_A = w_A + \sum_B M_{AB} L_B$$

    h_A is the entropy of the choice among the rules of A; M_AB and w_A are the numbers of symbols B
    and of words that one rewriting of A is expected to leave. H_A, the entropy of all that grows
    from A, and L_A, its expected words, solve these linear systems; the entropy rate is
    H / (L + 1) at the start symbol. H counts derivations. It is the entropy of texts as well,
    because the grammar is checked to be LL(1), where the next word decides the rule: no text has
    two derivations, and scoring one needs no search.

    Attributes:
        rules: For each symbol its alternatives (probability, symbols and words).
        text_entropy: Nats of a whole text.

    Source: Soule, Entropies of probabilistic grammars (1974).
    """

    def __init__(self, rules):
        self.rules, self.start = rules, next(iter(rules))
        parts = {part for choices in rules.values() for _, right in choices for part in right}
        self.vocabulary = tuple(sorted(parts - set(rules)))
        self._predictions = _predictions(rules, self.start)
        self.text_entropy, words = _entropy_and_words(rules)
        self.mean_tokens = words + 1
        self.entropy_rate = self.text_entropy / self.mean_tokens

    def _draw(self, rng):
        stack, words = [self.start], []
        while stack:
            part = stack.pop()
            if part not in self.rules:
                words.append(part)
                continue
            choices = self.rules[part]
            bounds = np.cumsum([probability for probability, _ in choices])[:-1]
            stack.extend(reversed(choices[np.searchsorted(bounds, rng.random(), "right")][1]))
        return words

    def _score(self, words):
        stack, total = [END, self.start], 0.0
        for word in [*words, END]:
            while (part := stack.pop()) in self.rules:
                if (part, word) not in self._predictions:
                    return -np.inf
                probability, right = self._predictions[part, word]
                total += np.log(probability)
                stack.extend(reversed(right))
            if part != word:
                return -np.inf
        return float(total)


def grammar_language(rules=RULES, *, seed=0):
    r"""Make a language from rules.

    Args:
        rules: A line `NAME = p: part part | p: part` for each symbol, the start symbol first.
            Names in capitals are symbols, other parts words; an empty alternative leaves nothing.
            A line without numbers gets random probabilities.
        seed: Draws the probabilities that the rules leave open.

    Returns:
        The language.

    Raises:
        ValueError: If the rules cannot be read, are ambiguous (not LL(1)) or never come to an end.

    Example:
        >>> coin = grammar_language("TOSSES = 0.5: | 0.5: SIDE TOSSES\nSIDE = 0.5: h | 0.5: t")
        >>> bool(np.isclose(coin.text_entropy, 3 * np.log(2)))
        True
        >>> bool(np.isclose(coin.log_probability("h t"), 5 * np.log(0.5)))
        True
    """
    rng = np.random.default_rng(seed)
    parsed = dict(_read_rule(line, rng) for line in rules.strip().splitlines() if line.strip())
    parts = {part for choices in parsed.values() for _, right in choices for part in right}
    missing = sorted(part for part in parts - set(parsed) if part.isupper())
    if missing:
        raise ValueError(f"Expected a rule for every symbol, received none for {missing}.")
    return GrammarLanguage(parsed)


def _read_rule(line, rng):
    """Read "A = 0.3: b C | 0.7:" into ("A", [(0.3, ("b", "C")), (0.7, ())])."""
    name, equals, alternatives = line.partition("=")
    if not equals or not name.strip().isupper():
        raise ValueError(f"Expected a rule such as 'NAME = word OTHER', received {line!r}.")
    texts = [alternative.rpartition(":") for alternative in alternatives.split("|")]
    if any(colon for _, colon, _ in texts):
        try:
            weights = [float(weight) for weight, _, _ in texts]
        except ValueError:
            raise ValueError(f"Expected 'p: parts' in each alternative of {line!r}.") from None
    else:
        weights = rng.dirichlet(np.full(len(texts), 2.0)).tolist()
    if min(weights) <= 0 or abs(sum(weights) - 1) > 1e-9:
        raise ValueError(f"Expected positive probabilities that sum to 1, received {weights}.")
    return name.strip(), [(p, tuple(t[2].split())) for p, t in zip(weights, texts, strict=True)]


def _entropy_and_words(rules):
    """Solve (I - M) [H, L] = [h, w] and return H and L of the start symbol."""
    row = {symbol: number for number, symbol in enumerate(rules)}
    children = np.zeros((len(row), len(row)))  # M
    own = np.zeros((len(row), 2))  # h, w
    for symbol, choices in rules.items():
        own[row[symbol], 0] = entropy(np.array([probability for probability, _ in choices]))
        for probability, right in choices:
            for part in right:
                if part in rules:
                    children[row[symbol], row[part]] += probability
                else:
                    own[row[symbol], 1] += probability
    growth = np.abs(np.linalg.eigvals(children)).max()
    if growth > 1 - 1e-9:
        raise ValueError(
            f"Expected texts that end, received rules that grow {growth:.3g}-fold at each step; "
            "make the recursive alternatives less probable."
        )
    solution = np.linalg.solve(np.eye(len(row)) - children, own)
    return float(solution[0, 0]), float(solution[0, 1])


def _predictions(rules, start):
    """Return {(symbol, next word): rule}; two rules for one key mean that it is not LL(1)."""
    first = {symbol: set() for symbol in rules}
    follow = {symbol: set() for symbol in rules}
    follow[start].add(END)
    _grow(first, lambda: _add_first(rules, first))
    _grow(follow, lambda: _add_follow(rules, first, follow))
    table = {}
    for symbol, choices in rules.items():
        for choice in choices:
            for word in _beginnings(choice[1], first, follow[symbol]):
                if (symbol, word) in table:
                    raise ValueError(
                        f"Expected rules in which the next word decides, received two of {symbol} "
                        f"before {word or 'the end'!r}; make their first words differ."
                    )
                table[symbol, word] = choice
    return table


def _grow(sets, update):
    """Repeat the update until no set grows any more."""
    size = -1
    while size != (size := sum(map(len, sets.values()))):
        update()


def _beginnings(parts, first, after):
    """Return the words that can come first in `parts`, and those `after` if all can vanish."""
    found = set()
    for part in parts:
        options = first.get(part, {part})
        found |= options - {END}
        if END not in options:
            return found
    return found | after


def _add_first(rules, first):
    for symbol, choices in rules.items():
        for _, right in choices:
            first[symbol] |= _beginnings(right, first, {END})


def _add_follow(rules, first, follow):
    for symbol, choices in rules.items():
        for _, right in choices:
            for place, part in enumerate(right):
                if part in rules:
                    follow[part] |= _beginnings(right[place + 1 :], first, follow[symbol])
