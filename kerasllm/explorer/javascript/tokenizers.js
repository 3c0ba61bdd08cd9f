// From a text to token ids, as kerasllm.text does it. Each returns ids.

const UNKNOWN = 1;
const isChinese = sign => /[\u3005-\u3007\u3040-\u30ff\u3100-\u312f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\u{20000}-\u{323af}]/u.test(sign);

// Sign by sign, as the library does it: a Σ at the end of a word is no ς.
const lower = text => [...text].map(sign => sign.toLowerCase()).join("");

const TOKENIZERS = {
  character: tokenizer => text => [...text].map(sign => {
    const one = tokenizer.lowercase ? [...sign.toLowerCase()][0] : sign; // "İ" becomes two
    return tokenizer.idOf.get(one) ?? UNKNOWN;
  }),

  // Words between spaces; the other splitters are Python's.
  word: tokenizer => text => (text.match(/\S+/gu) ?? []).flatMap(unreserved(tokenizer)).map(
    word => tokenizer.idOf.get(tokenizer.lowercase ? word.toLowerCase() : word) ?? UNKNOWN),

  // Byte-level BPE: GPT-2's pieces, their bytes as printable signs, merged in the order of training.
  bpe(tokenizer) {
    const ranks = new Map(tokenizer.merges.map((pair, rank) => [pair.join(" "), rank]));
    const signs = byteSigns(), known = new Map();
    const pieces = /'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;
    return text => ((tokenizer.lowercase ? lower(text) : text).match(pieces) ?? [])
      .flatMap(piece => {
        if (!known.has(piece)) {
          const bytes = [...new TextEncoder().encode(piece)].map(byte => signs[byte]);
          known.set(piece, merged(bytes, ranks).map(token => tokenizer.idOf.get(token) ?? UNKNOWN));
        }
        return known.get(piece);
      });
  },

  // The longest known beginning of a word, then `##` and what follows; a Chinese sign is a word.
  wordpiece: tokenizer => text => {
    const clean = [...text].map(sign => {
      if (/[\t\n\r\p{Z}]/u.test(sign)) return " ";
      if (/[\0\ufffd\p{C}]/u.test(sign)) return "";
      return isChinese(sign) && sign > "\u3400" ? ` ${sign} ` : sign;
    }).join("");
    const words = (tokenizer.lowercase ? lower(clean) : clean)
      .match(/[!-/:-@[-`{-~\p{P}]|[^\s!-/:-@[-`{-~\p{P}]+/gu) ?? [];
    return words.flatMap(word => wordPieces(word, tokenizer.idOf));
  },
};

function wordPieces(word, idOf) {
  const signs = [...word], ids = [];
  if (signs.length > 100) return [UNKNOWN];
  for (let start = 0, end; start < signs.length; start = end) {
    const piece = stop => (start ? "##" : "") + signs.slice(start, stop).join("");
    for (end = signs.length; end > start && !idOf.has(piece(end)); end--);
    if (end === start) return [UNKNOWN];
    ids.push(idOf.get(piece(end)));
  }
  return ids;
}

function merged(tokens, ranks) {
  for (;;) {
    let best = -1, lowest = Infinity;
    for (let k = 0; k + 1 < tokens.length; k++) {
      const rank = ranks.get(`${tokens[k]} ${tokens[k + 1]}`) ?? Infinity;
      if (rank < lowest) [best, lowest] = [k, rank];
    }
    if (best < 0) return tokens;
    tokens.splice(best, 2, tokens[best] + tokens[best + 1]);
  }
}

// GPT-2's printable stand-ins of the 256 bytes.
function byteSigns() {
  const printable = byte => (byte >= 0x21 && byte < 0x7f) || (byte >= 0xa1 && byte !== 0xad);
  let hidden = 256;
  return Array.from({ length: 256 }, (_, byte) =>
    String.fromCodePoint(printable(byte) ? byte : hidden++));
}

// A word that looks like a special token is three words: a text never yields one.
const unreserved = tokenizer => word =>
  tokenizer.special.includes(word.toLowerCase()) ? [word[0], word.slice(1, -1), word.at(-1)] : [word];

// kerasllm.text.Cleaner: entities, invisible signs, NFKC, white space.
function cleaned(text) {
  const area = document.createElement("textarea");
  area.innerHTML = text.replace(/</g, "&lt;");
  return area.value.replace(/\r\n?|[\x85\u2028\u2029]/g, "\n")
    .replace(/[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g, "")
    .normalize("NFKC").replace(/[^\S\n]+/g, " ").replace(/ ?\n ?/g, "\n").replace(/\n{3,}/g, "\n\n")
    .trim();
}

// Returns a function from a text to { ids, positions, words, note }, framed and cut as the run does.
function reader({ tokenizer, reading }) {
  tokenizer.idOf = new Map(tokenizer.vocabulary.map((token, id) => [token, id]));
  const encode = TOKENIZERS[tokenizer.kind](tokenizer);
  const split = reading.words ? wordReader(reading, tokenizer, encode)
    : text => ({ own: encode(reading.clean ? cleaned(text) : text) });
  return text => {
    const { own, positions, words } = split(text);
    const all = reading.eos === null ? own : [...own, reading.eos];
    const ids = all.slice(0, reading.length), unknown = own.filter(id => id === UNKNOWN).length;
    const notes = [
      own.length ? "" : "the text is empty: there is nothing to read",
      unknown ? `${unknown} of ${own.length} tokens are unknown` : "",
      all.length > ids.length ? `only the first ${ids.length} of ${all.length} tokens are read` : "",
      reading.words === "space" ? "words are what stands between spaces" : "",
    ];
    const kept = positions?.filter(position => position < ids.length);
    return { ids, positions: kept, words: words?.slice(0, kept.length), empty: !own.length,
      note: notes.filter(Boolean).join("; ") };
  };
}

// A tagger reads word after word, and answers at the first piece of each.
function wordReader(reading, tokenizer, encode) {
  const pieces = (word, place) => {
    if (tokenizer.kind !== "word") {
      return encode(tokenizer.kind === "bpe" && place ? ` ${word}` : word);
    }
    const small = tokenizer.lowercase ? word.toLowerCase() : word;
    const form = reading.digits ? small.replace(/\p{Nd}/gu, "0") : small;
    return [tokenizer.special.includes(form) ? UNKNOWN : tokenizer.idOf.get(form) ?? UNKNOWN];
  };
  return text => {
    const words = Array.isArray(text) ? text
      : text.match(reading.words === "character" ? /\S/gu : /\S+/gu) ?? [];
    const own = [], positions = [];
    words.forEach((word, place) => {
      const ids = pieces(word, place);
      positions.push(own.length);
      own.push(...(ids.length ? ids : [UNKNOWN]));
    });
    return { own, positions, words };
  };
}
