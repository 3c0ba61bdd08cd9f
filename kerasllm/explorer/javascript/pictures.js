// The symbol that is chosen, as a picture: units along the text, or heads; of a second text beside.

function renderChoice() {
  const select = (id, values, value, pick) => element("select", { id,
    onchange: event => { pick(event.target.value); Object.assign(state, { chosen: null, trail: [] }); render(); } },
  values.map(one => element("option", { value: one, textContent: one, selected: one === value })));
  const sorts = ["variation", "number", ...(unitTrials() ? ["effect on the answer"] : [])];
  return [element("label", {}, "Layer ", select("layer", Object.keys(state.before.symbols), state.layer, layer => {
    state.layer = layer;
    if (!symbolsOf(layer).includes(state.symbol)) state.symbol = telling(layer);
  })),
  element("label", {}, " Symbol ", select("symbol", symbolsOf(state.layer), state.symbol, symbol => { state.symbol = symbol; })),
  ...(isOfHeads() ? [] : [element("label", {}, " Units by ", element("select", { id: "sort",
    onchange: event => { state.sortBy = event.target.value; render(); } },
  sorts.map(one => element("option", { value: one, textContent: one, selected: one === state.sortBy }))))]),
  ...(state.changes.length ? [element("label", {}, element("input", { type: "checkbox", id: "difference",
    checked: state.difference, onchange: event => { state.difference = event.target.checked; render(); } }),
  " only what changed")] : [])];
}

const isOfHeads = () => Array.isArray(state.seen.symbols[state.layer][state.symbol][0]);

// The rows of the chosen symbol; after minus before, where that is asked for.
function rowsShown() {
  const of = seen => seen.symbols[state.layer][state.symbol], rows = of(state.seen);
  if (!state.difference || !state.changes.length) return rows;
  const minus = (a, b) => Array.isArray(a) ? a.map((row, n) => minus(row, b[n])) : a.map((v, k) => v - b[k]);
  return rows.map((row, t) => minus(row, of(state.before)[t]));
}

function renderPicture() {
  const rows = rowsShown(), beside = state.other?.seen.symbols[state.layer]?.[state.symbol];
  return isOfHeads() ? headPictures(rows, beside) : unitPictures(rows, beside);
}

const pair = (first, second) => element("div", { className: "pair" }, first,
  ...(second ? [element("div", {}, element("h3", { textContent: "The second text" }), second)] : []));
const isChosen = () => state.chosen?.layer === state.layer && state.chosen.symbol === state.symbol;
const besideColumns = rows => columns(rows, state.other.reads, state.other.position);

function unitPictures(rows, beside) {
  const units = sortedUnits(rows), shown = units.slice(0, state.most);
  const picture = (id, of, tokens, more) => heatmap({ id, title: `${state.layer}: ${state.symbol}`,
    names: shown.map(unit => `unit ${unit}`), values: shown.map(unit => of.map(row => row[unit])), tokens, ...more });
  const chosen = isChosen() && shown.includes(state.chosen.unit) ? [shown.indexOf(state.chosen.unit), state.chosen.position] : null;
  const first = picture("map", rows, columns(rows), { chosen,
    pick: (r, c) => choose({ layer: state.layer, symbol: state.symbol, unit: shown[r], position: c, head: null }) });
  const second = beside && picture("second-map", beside, besideColumns(beside), {
    chosen: chosen && [chosen[0], state.other.position], pick: (r, c) => lookBeside(c) });
  const more = units.length > shown.length ? [element("p", {}, element("button", { id: "more",
    textContent: `Show more of ${units.length} units`, onclick: () => { state.most += 40; render(); } }))] : [];
  return [pair(first, second), ...more];
}

// Units that vary most come first; or by number, or those that changed the answer most when tried.
function sortedUnits(rows) {
  const units = [...rows[0].keys()], tried = unitTrials();
  if (state.sortBy === "number") return units;
  const spread = unit => { const own = rows.map(row => row[unit]);
    return Math.max(...own) - Math.min(...own) || Math.abs(own[0]) * 1e-9; };
  const size = tried && state.sortBy !== "variation"
    ? unit => tried.rows.find(row => row.unit === unit)?.far ?? 0 : spread;
  return units.map(unit => [size(unit), unit]).sort((a, b) => b[0] - a[0]).map(([, unit]) => unit);
}

const lookBeside = position => {
  state.other = { ...besideOf(state.other.reads, position), text: state.other.text, picked: true };
  render();
};

// All heads small, the chosen one large: a matrix of queries and keys, or of units, and its arcs.
function headPictures(rows, beside) {
  const heads = rows[0].length, square = ["weights", "scores"].includes(state.symbol);
  state.head = Math.min(state.head, heads - 1);
  const ofHead = (of, n) => of.map(row => [...row[n]]);
  const small = Array.from({ length: heads }, (_, n) => element("button", { id: `head-${n}`,
    className: n === state.head ? "chosen head" : "head", title: `head ${n}`,
    onclick: () => { state.head = n; render(); } }, thumbnail(ofHead(rows, n)), `head ${n}`));
  const title = `${state.layer}: ${state.symbol} of head ${state.head}`;
  const picture = (id, of, names, more) => heatmap({ id, title, names, values: ofHead(of, state.head),
    tokens: square ? names : [...of[0][state.head].keys()].map(String), ...more });
  const chosen = isChosen() ? [state.chosen.position, state.chosen.unit] : null;
  const first = picture("map", rows, columns(rows), { chosen, pick: (r, c) => choose({ layer: state.layer,
    symbol: state.symbol, position: r, unit: c, head: state.head }) });
  const second = beside && picture("second-map", beside, besideColumns(beside), { pick: r => lookBeside(r) });
  const silence = element("button", { id: "silence", textContent: `Silence head ${state.head}`, onclick: () =>
    change([{ layer: state.layer, symbol: "z", position: null, unit: null, head: state.head, value: 0 }],
      `${state.layer}: head ${state.head} is silent`) });
  const arcsOf = (of, names) => arcs(ofHead(of, state.head), names, title);
  return [element("div", { className: "row" }, small),
    ...(computes && state.seen.symbols[state.layer].z ? [element("p", { className: "row" }, silence)] : []),
    pair(first, second), ...(state.symbol === "weights"
      ? [pair(arcsOf(rows, columns(rows)), beside && arcsOf(beside, besideColumns(beside)))] : [])];
}
