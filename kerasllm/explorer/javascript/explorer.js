// The page: what is shown, what is chosen, and what was changed.

const { description, blob } = JSON.parse(document.getElementById("data").textContent);
const numbers = decodeWeights(blob);
const model = { steps: withWeights(description.steps, numbers) };
const read = description.tokenizer.kind ? reader(description) : null;
const place = id => document.getElementById(id);
const state = { text: "", reads: { ids: [] }, note: "", changes: [], position: 0, layer: null, difference: false, symbol: null,
  head: 0, chosen: null, sampling: { temperature: 1, topK: 0, topP: 1 } };

// === What is computed ===

function show(text, reads, note) {
  Object.assign(state, { text, reads, note, changes: [], chosen: null,
    position: reads.ids.length - 1 });
  state.before = run(model, reads);
  state.layer ??= interesting(state.before);
  state.symbol ??= state.before.symbols[state.layer].weights ? "weights" : symbolsOf(state.layer).at(-1);
  recompute();
}

function recompute() {
  state.seen = state.changes.length ? run(model, state.reads, state.changes) : state.before;
  render();
}

function change(one) {
  const same = state.changes.findIndex(c => c.layer === one.layer && c.symbol === one.symbol
    && c.position === one.position && c.unit === one.unit && c.head === one.head && c.key === one.key);
  if (same >= 0) state.changes[same] = one; else state.changes.push(one);
  recompute();
}

const interesting = seen => Object.keys(seen.symbols).find(
  layer => seen.symbols[layer].weights || seen.symbols[layer].h && seen.symbols[layer].x) ??
  Object.keys(seen.symbols)[0];
const symbolsOf = layer => Object.keys(state.before.symbols[layer]);
const tokens = () => state.reads.ids.map(id => readable(description.tokenizer.tokens[id] ?? `${id}`));

// The names of the columns of a symbol: tokens, words above a tagger's gathering, or the whole text.
const columns = rows => rows.length === state.reads.ids.length ? tokens()
  : rows.length === state.reads.words?.length ? state.reads.words : rows.map(() => "text");

// === What is shown ===

function render() {
  const held = document.activeElement?.id, inPicture = place("picture").contains(document.activeElement);
  const parts = { note: renderNote, tokens: renderTokens, answer: renderAnswer, choose: renderChoice,
    picture: renderPicture, number: renderNumber, changes: renderChanges };
  for (const [id, make] of Object.entries(parts)) place(id).replaceChildren(...make().flat());
  (inPicture ? place("picture").querySelector(".heatmap") : held && place(held))?.focus(); // made anew
}

const renderNote = () => state.note ? [state.note] : [];

function renderTokens() {
  return tokens().map((token, t) => element("button", {
    className: t === state.position ? "token chosen" : "token", textContent: token,
    title: `position ${t}, id ${state.reads.ids[t]}`, onclick: () => { state.position = t; render(); } }));
}

function probabilities(seen) {
  const rows = seen.output, row = rows[description.predicts === "next" ? state.position : 0];
  if (description.predicts === "next") {
    const all = nextTokens(row, state.sampling), p = rowOf(row.length);
    all.forEach(one => { p[one.id] = one.p; });
    return p;
  }
  return description.multilabel ? row.map(sigmoid) : description.normalised ? row : softmax(row);
}

function renderAnswer() {
  if (description.predicts === "tag") return [tagTable()];
  const after = probabilities(state.seen), before = probabilities(state.before);
  const order = [...after.keys()].sort((a, b) =>
    Math.max(after[b], before[b]) - Math.max(after[a], before[a])).slice(0, 10);
  const rows = order.map(k => element("tr", {}, element("td", { textContent: labelOf(k) }),
    element("td", {}, bar(before[k], "before"), ...(state.changes.length ? [bar(after[k], "after")] : [])),
    element("td", { className: "number", textContent: (100 * before[k]).toFixed(1) + " %" }),
    ...(state.changes.length ? [element("td", { className: "number",
      textContent: (100 * after[k]).toFixed(1) + " %" })] : [])));
  const title = description.predicts === "next"
    ? `The token after ${tokens()[state.position]}` : "The class of the text";
  const head = element("tr", {}, ["", "", "before", ...(state.changes.length ? ["after"] : [])]
    .map(textContent => element("th", { textContent })));
  return [element("h3", { textContent: title }), element("table", {}, head, rows),
    ...(description.predicts === "next" ? [samplingControls()] : [])];
}

// The tag of each word by itself, with its probability, and in the best sequence of a CRF.
function tagTable() {
  const crf = model.steps.find(step => step.op === "crf");
  const path = seen => (crf ? bestTags(seen.output, crf) : seen.output.map(largest)).map(labelOf);
  const alone = seen => seen.output.map(row => `${labelOf(largest(row))} ${Math.max(...softmax(row)).toFixed(3)}`);
  const parts = [["word", state.reads.words], ["by itself", alone(state.before)],
    [crf ? "in the best path" : "tag", path(state.before)], ...(state.changes.length
      ? [["by itself, after", alone(state.seen)], ["after", path(state.seen)]] : [])];
  const rows = state.reads.words.map((_, m) => element("tr", {}, parts.map(([, cells], k) =>
    element("td", { textContent: cells[m], className: k > 2 && cells[m] !== parts[k - 2][1][m]
      ? "after changed" : k > 2 ? "after" : "" }))));
  return element("table", {}, element("tr", {}, parts.map(([textContent]) =>
    element("th", { textContent }))), rows);
}

const labelOf = k => description.labels ? description.labels[k] : readable(description.tokenizer.tokens[k]);
const bar = (share, kind) => element("div", { className: `bar ${kind}`, style: `width:${100 * share}%` });

function samplingControls() {
  const knob = (name, title, min, max, step) => element("label", {}, `${title} `, element("input", {
    type: "number", min, max, step, value: state.sampling[name],
    onchange: event => { state.sampling[name] = Number(event.target.value); render(); } }));
  const grow = draw => () => {
    const next = nextTokens(state.seen.output.at(-1), state.sampling);
    const ids = [...state.reads.ids, draw ? drawn(next) : next[0].id];
    show(state.text, { ids: ids.slice(-description.reading.length) }, "continued token by token");
  };
  return element("p", { className: "row" }, knob("temperature", "temperature", 0, 5, 0.1),
    knob("topK", "top-k (0: all)", 0, 1000, 1), knob("topP", "top-p", 0.05, 1, 0.05),
    element("button", { id: "likeliest", textContent: "Add the likeliest", onclick: grow(false) }),
    element("button", { textContent: "Draw one", onclick: grow(true) }));
}

function renderChoice() {
  const select = (id, values, value, choose) => element("select", { id,
    onchange: event => { choose(event.target.value); state.chosen = null; render(); } },
  values.map(one => element("option", { value: one, textContent: one, selected: one === value })));
  return [element("label", {}, "Layer ", select("layer", Object.keys(state.before.symbols), state.layer,
    layer => { state.layer = layer; state.symbol = symbolsOf(layer).includes(state.symbol)
      ? state.symbol : symbolsOf(layer).at(-1); })),
  element("label", {}, " Symbol ", select("symbol", symbolsOf(state.layer), state.symbol,
    symbol => { state.symbol = symbol; })),
  ...(state.changes.length ? [element("label", {}, element("input", { type: "checkbox", id: "difference",
    checked: state.difference, onchange: event => { state.difference = event.target.checked; render(); } }),
  " only what changed")] : [])];
}

// The rows of the chosen symbol; after minus before, where that is asked for.
function rowsShown() {
  const of = seen => seen.symbols[state.layer][state.symbol], rows = of(state.seen);
  if (!state.difference || !state.changes.length) return rows;
  const minus = (a, b) => Array.isArray(a) ? a.map((row, n) => minus(row, b[n])) : a.map((v, k) => v - b[k]);
  return rows.map((row, t) => minus(row, of(state.before)[t]));
}

const MOST = 40; // units in a picture; those that vary most

function renderPicture() {
  const rows = rowsShown();
  return Array.isArray(rows[0]) ? headPictures(rows) : [unitPicture(rows)];
}

function unitPicture(rows) {
  const spread = unit => { const own = rows.map(row => row[unit]);
    return Math.max(...own) - Math.min(...own) || Math.abs(own[0]) * 1e-9; };
  const units = [...rows[0].keys()].map(unit => [spread(unit), unit])
    .sort((a, b) => b[0] - a[0]).slice(0, MOST).map(([, unit]) => unit);
  const chosen = state.chosen && [units.indexOf(state.chosen.unit), state.chosen.position];
  return figure(heatmap({ title: `${state.layer}: ${state.symbol}`, names: units.map(unit => `unit ${unit}`),
    values: units.map(unit => rows.map(row => row[unit])), tokens: columns(rows),
    chosen, pick: (r, c) => choose({ unit: units[r], position: c, head: null }) }));
}

// All heads small, the chosen one large: a matrix of queries and keys, or of units, and its arcs.
function headPictures(rows) {
  const heads = rows[0].length, ofHead = n => rows.map(row => [...row[n]]);
  const names = columns(rows), square = ["weights", "scores"].includes(state.symbol);
  const buttons = Array.from({ length: heads }, (_, n) => element("button", {
    className: n === state.head ? "chosen" : "", textContent: `head ${n}`,
    onclick: () => { state.head = n; render(); } }));
  const values = ofHead(state.head), across = square ? names : values[0].map((_, k) => `${k}`);
  const chosen = state.chosen && [state.chosen.position, state.chosen.unit];
  const large = heatmap({ title: `${state.layer}: ${state.symbol} of head ${state.head}`, names,
    values, tokens: across, chosen, pick: (r, c) => choose({ position: r, unit: c, head: state.head }) });
  const small = Array.from({ length: heads }, (_, n) => thumbnail(ofHead(n), n));
  return [element("div", { className: "row" }, small), element("p", { className: "row" }, buttons,
    element("button", { id: "silence", textContent: `Silence head ${state.head}`, onclick: () => change({
      layer: state.layer, symbol: "z", position: null, unit: null, head: state.head, value: 0 }) })),
  figure(large), ...(state.symbol === "weights"
    ? [figure(arcs(values, names, `${state.layer}: head ${state.head}`))] : [])];
}

function thumbnail(values, n) {
  const largest = values.flat().reduce((a, b) => Math.max(a, Math.abs(b)), 0), size = 4;
  const cells = values.flatMap((row, r) => row.map((value, c) => svg("rect", { x: c * size, y: r * size,
    width: size, height: size, fill: colour(value, largest) })));
  return svg("svg", { width: size * values[0].length, height: size * values.length, class: "thumbnail" },
    svg("title", {}, `head ${n}`), cells);
}

function choose(chosen) {
  state.chosen = { layer: state.layer, symbol: state.symbol, ...chosen };
  render();
}

// === One number: its equation, and what if it were another ===

function renderNumber() {
  if (!state.chosen) return ["Choose a number in the picture: its equation, and what if it were another."];
  const { layer, symbol, position, unit, head } = state.chosen;
  const row = state.seen.symbols[layer][symbol][position], value = (head === null ? row : row[head])[unit];
  const where = head === null ? `unit ${unit}` : `head ${head}, ${unit}`;
  return [element("h3", { textContent: `${layer}: ${symbol}, position ${position}, ${where} = ${number(value)}` }),
    ...whatIf(value), ...(head === null ? [...explained(), ...alongTheText()] : scored())];
}

// Gates, cell and state of the chosen unit of a recurrent layer, as lines.
function alongTheText() {
  const { layer, unit } = state.chosen, symbols = state.seen.symbols[layer];
  if (!recurrentOf(model, layer)) return [];
  const names = ["i", "f", "o", "z", "r", "c", "h"].filter(name => symbols[name]);
  const lines = names.map(name => ({ name, values: symbols[name].map(row => row[unit]) }));
  return [figure(lineChart(`${layer}: unit ${unit}`, lines, columns(symbols.h)))];
}

function whatIf(value) {
  const { layer, symbol, position, unit, head } = state.chosen;
  const put = event => change({ layer, symbol, position, unit, head, value: Number(event.target.value) });
  const gate = ["i", "f", "o", "z", "r", "weights"].includes(symbol), size = Math.max(2, 2 * Math.abs(value));
  const range = { min: gate ? 0 : -size, max: gate ? 1 : size, step: 0.01, value: value.toFixed(4) };
  const knobs = [element("label", {}, "what if it were ", element("input", {
    type: "range", id: "slider", ...range, onchange: put, "aria-label": "what if it were" }),
  element("input", { type: "number", id: "value", step: 0.01, value: value.toFixed(4), onchange: put }))];
  if (head === null) knobs.push(element("button", { id: "zero", textContent: "All units here 0",
    onclick: () => change({ layer, symbol, position, unit: null, head, value: 0 }) }));
  if (symbol === "weights") knobs.push(element("button", { id: "cut", textContent: "Cut this edge",
    onclick: () => change({ layer, symbol, position, unit: null, head, key: unit }) }));
  return [element("p", { className: "row" }, knobs)];
}

function explained() {
  const made = equation(model, state.seen, state.chosen);
  if (!made) return [];
  const link = ({ title, value, source }) => source
    ? element("button", { className: "link", textContent: `${title} = ${number(value)}`, onclick: () => {
      Object.assign(state, { layer: source.layer, symbol: source.symbol });
      choose({ position: source.position, unit: source.unit, head: null }); } })
    : element("span", { textContent: `${title} = ${number(value)}` });
  const tables = (made.products ?? []).map(({ title, terms, left }) => element("details", {},
    element("summary", { textContent: `the largest terms of ${title}` }), element("table", {},
      terms.map(({ k, value, weight, share, source }) => element("tr", {},
        element("td", {}, link({ title: `entry ${k}`, value, source })),
        element("td", { textContent: `× weight ${number(weight)}` }),
        element("td", { className: "number", textContent: `= ${number(share)}` })))),
    left ? `and ${left} smaller ones` : ""));
  return [element("pre", { textContent: made.lines.join("\n") + wasChanged() }),
    element("p", { className: "row" }, (made.factors ?? []).map(link)), ...tables];
}

// What has to be said of a number that was changed.
function wasChanged() {
  const { layer, symbol, position, unit, head } = state.chosen;
  const same = one => one.layer === layer && one.symbol === symbol
    && [null, position].includes(one.position) && [null, unit].includes(one.unit)
    && (head === null || [null, head].includes(one.head));
  return state.changes.some(same) ? "\nIt was changed, and is no longer what the equation gives." : "";
}

// The score of a pair with its dot product.
function scored() {
  const { layer, symbol, position, unit, head } = state.chosen, seen = state.seen.symbols[layer];
  if (!["weights", "scores"].includes(symbol)) return [];
  const q = seen.q[position][head], k = seen.k[unit][head], names = columns(seen.q);
  return [element("pre", { textContent: `score = q(${names[position]}) · k(${names[unit]}) / √${q.length}\n`
    + `= ${number(dot(q, k))} / ${number(Math.sqrt(q.length))} = ${number(seen.scores[position][head][unit])}\n`
    + `weight = softmax over the keys = ${number(seen.weights[position][head][unit])}${wasChanged()}` })];
}

// === What was changed ===

function renderChanges() {
  const said = ({ layer, symbol, position, unit, head, key, value }) => [[`${layer}: ${symbol}`,
    ...(head === null ? [] : [`head ${head}`]), ...(position === null ? [] : [`position ${position}`]),
    ...(unit === null ? [] : [`unit ${unit}`])].join(", "), key !== undefined ? `cannot look at ${key}`
    : `:= ${value.length ? "as in the other text" : number(value)}`].join(" ");
  const undo = count => () => { state.changes.splice(state.changes.length - count); recompute(); };
  const list = state.changes.map(one => element("li", { textContent: said(one) }));
  return [state.changes.length ? element("ol", {}, list) : element("p", { textContent: "Nothing is changed." }),
    ...(state.changes.length ? [element("p", { className: "row" },
      element("button", { id: "undo", textContent: "Undo", onclick: undo(1) }),
      element("button", { textContent: "Undo all", onclick: undo(state.changes.length) }))] : []),
    ...swapControls()];
}

// The state of a second sentence in the place of this one's, at the chosen position.
function swapControls() {
  const rows = state.seen.symbols[state.layer][state.symbol];
  if (!read || Array.isArray(rows[0])) return [];
  const swap = event => {
    const other = read(event.target.value);
    if (other.empty) return;
    const theirs = run(model, other).symbols[state.layer][state.symbol];
    const position = Math.min(state.position, rows.length - 1);
    const value = theirs[Math.min(position, theirs.length - 1)];
    change({ layer: state.layer, symbol: state.symbol, position, unit: null, head: null, value });
  };
  const shown = Math.min(state.position, rows.length - 1);
  return [element("label", {}, `${state.symbol} of ${state.layer} at position ${shown} as in `,
    element("input", { type: "text", id: "other", placeholder: "another text", onchange: swap }))];
}

// === The proof, and the beginning ===

function prove() {
  const worst = description.traces.map(trace => distance(run(model, trace), trace.symbols.map(one =>
    ({ ...one, values: numbers.subarray(one.at, one.at + one.size) }))))
    .reduce((a, b) => a.distance > b.distance ? a : b);
  const tokens = !read || description.traces.every(({ text, words, ids, positions }) => {
    const mine = read(words ?? text);
    return mine.ids.join() === ids.join() && `${mine.positions}` === `${positions}`;
  });
  const holds = worst.distance <= 1e-5 && tokens;
  place("proof").textContent = `${holds ? "✓" : "✗"} This page computes the model by itself. Its numbers are`
    + ` within ${worst.distance.toExponential(1)} of those that NumPy stored (${worst.compared.toLocaleString("en")}`
    + ` compared; furthest apart ${worst.layer}: ${worst.symbol}, as a share of its largest number), and it reads`
    + ` ${tokens ? "the same tokens." : "OTHER TOKENS."}`;
  Object.assign(place("proof").dataset, { distance: worst.distance, compared: worst.compared, tokens, holds });
}

function begin() {
  const box = place("text"), first = description.traces[0];
  box.value = first.text;
  const start = () => {
    const reads = read(box.value);
    if (reads.empty) place("note").textContent = reads.note; else show(box.value, reads, reads.note);
  };
  if (read) { place("read").addEventListener("click", start); box.addEventListener("keydown", event => {
    if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); start(); } }); }
  else { box.disabled = place("read").disabled = true; place("note").textContent = description.tokenizer.why; }
  place("stored").replaceChildren(...description.traces.map(trace => element("button", {
    textContent: trace.text, onclick: () => { box.value = trace.text; show(trace.text, trace, trace.note); } })));
  prove();
  show(first.text, first, read ? first.note : description.tokenizer.why);
}

begin();
