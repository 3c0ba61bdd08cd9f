// What is read, chosen and changed, and what the model makes of it.

const { description, blob } = JSON.parse(document.getElementById("data").textContent);
const numbers = decodeWeights(blob);
const model = { steps: withWeights(description.steps, numbers) };
const read = description.tokenizer.kind ? reader(description) : null; // new texts
const computes = description.computes; // false of a model whose weights are not in the page
const place = id => document.getElementById(id);

const state = { text: "", reads: null, before: null, seen: null, position: 0,
  layer: null, symbol: null, head: 0, chosen: null, trail: [], // the number that is explained
  changes: [], difference: false,                              // each { said, parts }
  other: null, trials: null, sortBy: "variation", most: 40,
  sampling: { temperature: 1, topK: 0, topP: 1 } };

// Begin with a text.
function show(reads, text) {
  Object.assign(state, { text, reads, changes: [], chosen: null, trail: [], trials: null,
    position: reads.ids.length - 1 });
  state.before = computed(reads, state.position);
  if (!state.before.symbols[state.layer]?.[state.symbol]) {
    state.layer = interesting(state.before);
    state.symbol = telling(state.layer);
  }
  recompute();
}

// What a model computes; of hidden tokens with the one at a position hidden.
function computed(reads, position, changes = []) {
  if (!computes) return storedOf(reads, numbers);
  const ids = description.predicts === "hidden"
    ? reads.ids.map((id, t) => t === position ? description.tokenizer.mask : id) : reads.ids;
  return run(model, { ...reads, ids }, changes);
}

const partsOf = changes => changes.flatMap(one => one.parts);

function recompute() {
  state.seen = state.changes.length
    ? computed(state.reads, state.position, partsOf(state.changes)) : state.before;
  render();
}

// Look at the answer at another token.
function goTo(position) {
  state.position = position;
  if (description.predicts === "hidden" && computes) {
    state.before = computed(state.reads, position);
    recompute();
  } else render();
}

// Do something to the model; the same place is changed once.
function change(parts, said) {
  const key = parts.map(({ value, ...where }) => JSON.stringify(where)).join();
  const same = state.changes.findIndex(one => one.key === key);
  const made = { key, parts, said: said ?? describeChange(parts[0]) };
  if (same >= 0) state.changes[same] = made; else state.changes.push(made);
  recompute();
}

function undo(count = 1) {
  state.changes.splice(Math.max(state.changes.length - count, 0));
  recompute();
}

function describeChange({ layer, symbol, position, unit, head, key, value }) {
  const where = [`${layer}: ${symbol}`, ...(head === null ? [] : [`head ${head}`]),
    ...(position === null ? [] : [`position ${position}`]), ...(unit === null ? [] : [`unit ${unit}`])];
  return `${where.join(", ")} ${key === undefined ? `:= ${number(value)}` : `cannot look at ${key}`}`;
}

// Look at a number; where from is remembered.
function choose(source) {
  if (state.chosen) state.trail.push(state.chosen);
  state.chosen = source;
  if (source.layer) Object.assign(state, { layer: source.layer, symbol: source.symbol });
  if (source.head !== null && source.head !== undefined) state.head = source.head;
  render();
}

function back() {
  state.chosen = null;
  const source = state.trail.pop(), trail = state.trail;
  choose(source);
  state.trail = trail;
}

const interesting = seen => Object.keys(seen.symbols).find(
  layer => seen.symbols[layer].weights || seen.symbols[layer].h && seen.symbols[layer].x)
  ?? Object.keys(seen.symbols)[0];
const symbolsOf = layer => Object.keys(state.before.symbols[layer]);
const telling = layer => symbolsOf(layer).includes("weights") ? "weights" : symbolsOf(layer).at(-1);

const labelOfToken = id => readable(description.tokenizer.tokens[id] ?? `${id}`);
const labelOf = k => description.labels ? description.labels[k] : labelOfToken(k);
const isHidden = (position, at) => description.predicts === "hidden" && computes && position === at;
const tokensOf = (reads, at) => reads.ids.map((id, t) => isHidden(t, at) ? "[hidden]" : labelOfToken(id));
const tokens = () => tokensOf(state.reads, state.position);

// The names of the rows of a symbol: tokens, words above a tagger's gathering, or the whole text.
const columns = (rows, reads = state.reads, at = state.position) =>
  rows.length === reads.ids.length ? tokensOf(reads, at)
    : rows.length === reads.words?.length ? reads.words : rows.map(() => "text");

function render() {
  const held = document.activeElement?.id;
  const views = { note: renderNote, tokens: renderTokens, answer: renderAnswer, choose: renderChoice,
    picture: renderPicture, number: renderNumber, changes: renderChanges, trials: renderTrials };
  for (const [id, make] of Object.entries(views)) place(id).replaceChildren(...make().flat());
  if (held) place(held)?.focus({ preventScroll: true }); // what had the keys was made anew
}
