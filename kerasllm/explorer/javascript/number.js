// One number: the equation that it comes from, and what if it were another.

function renderNumber() {
  const source = state.chosen;
  if (!source) return ["Choose a number in a picture, or an answer: its equation, and what if it were another."];
  const value = source.answer ? probabilityOf(source) : numberAt(state.seen, source);
  const title = element("h3", { textContent: `${nameOf(source)} = ${value === undefined ? "not stored" : number(value)}` });
  const parts = [title, element("p", { className: "row" }, ...(state.trail.length
    ? [element("button", { id: "back", textContent: "Back", onclick: back })] : []), ...whatIf(source, value))];
  if (source.weight) parts.push(element("p", { textContent: "A weight: training found it." }));
  return [...parts, ...explained(source), ...alongTheText(source)];
}

function nameOf({ answer, weight, row, column, layer, symbol, position, unit, head = null }) {
  if (weight) return `${weight.name}[${column === null ? row : `${row}, ${column}`}]`;
  if (answer) return `p(${labelOf(unit)}), position ${position}`;
  return `${layer}: ${symbol}, position ${position}, ${head === null ? "" : `head ${head}, `}${
    ["weights", "scores"].includes(symbol) && head !== null ? "key" : "unit"} ${unit}`;
}

function probabilityOf({ position, unit }) {
  if (description.predicts === "tag") return softmax(state.seen.output[position])[unit];
  return probabilities(state.seen, position)[unit];
}

function explained(source) {
  const made = equation(model, state.seen, source, state.sampling);
  if (!made) return [];
  const lines = made.lines.map(line => element("p", { className: "equation" }, line.filter(part => part !== null).map(linkOf)));
  return [...lines, ...(wasChanged(source) ? [element("p", { className: "equation",
    textContent: "It was changed, and is no longer what the equation gives." })] : []),
  ...made.tables.map((table, n) => sumTable(table, n === 0))];
}

// A number that leads to its own equation; a text, or a number that has none, as it is.
function linkOf(part) {
  if (typeof part === "string") return part;
  if (part.value === undefined) return element("span", { textContent: part.source ? `(${nameOf(part.source)})` : "?" });
  if (!part.source) return element("span", { textContent: number(part.value) });
  return element("button", { className: "link", textContent: number(part.value), title: nameOf(part.source),
    onclick: () => choose(part.source) });
}

function sumTable({ title, join, rows, left, missing, first }, open) {
  if (first) return element("p", { textContent: `${title}: 0, nothing was read before.` });
  if (missing) return element("p", { textContent: `The weights of ${title} are not in this page.` });
  const short = source => source.weight ? nameOf(source) : `${source.symbol}, ${source.head === null
    || source.head === undefined ? "" : `head ${source.head}, `}position ${source.position}, ${source.unit}`;
  const cells = ({ numbers, share, value }) => [numbers.flatMap((one, n) => [n ? ` ${join} ` : "",
    one.source ? element("small", { textContent: `${short(one.source)} ` }) : "", linkOf(one)]),
  [share === undefined ? linkOf(value) : `= ${number(share)}`]];
  const body = rows.map(row => element("tr", {}, cells(row).map((cell, n) =>
    element("td", { className: n ? "number" : "" }, cell))));
  const summary = left ? `${title}: the largest ${rows.length} of ${rows.length + left} terms` : title;
  return element("details", { open }, element("summary", { textContent: summary }), element("table", {}, body));
}

// Whether a number was changed, and is no longer what it is computed from.
const wasChanged = ({ layer, symbol, position, unit, head = null }) => partsOf(state.changes).some(one =>
  one.layer === layer && one.symbol === symbol && [null, position].includes(one.position)
  && [null, unit].includes(one.unit) && (head === null || [null, head].includes(one.head)));

const BETWEEN_0_AND_1 = ["i", "f", "o", "z", "r", "weights"];
const isShare = (symbol, head) => BETWEEN_0_AND_1.includes(symbol) && !(symbol === "z" && head !== null);

function whatIf({ layer, symbol, position, unit, head = null }, value) {
  if (!layer || !computes) return [];
  const put = event => {
    const given = event.target.value === "" ? NaN : Number(event.target.value);
    if (Number.isFinite(given)) change([{ layer, symbol, position, unit, head, value: given }]); else render();
  };
  const size = Math.max(2, 2 * Math.abs(value)), share = isShare(symbol, head);
  const range = { min: share ? 0 : -size, max: share ? 1 : size, step: 0.01, value: value.toFixed(4) };
  const knobs = [element("label", {}, "what if it were ", element("input", { type: "range", id: "slider", ...range,
    onchange: put, oninput: event => { place("value").value = event.target.value; }, "aria-label": "what if it were" })),
  element("input", { type: "number", id: "value", step: 0.01, value: value.toFixed(4), onchange: put, "aria-label": "what if it were" })];
  if (head === null) knobs.push(element("button", { id: "zero", textContent: "All units here 0",
    onclick: () => change([{ layer, symbol, position, unit: null, head, value: 0 }]) }));
  if (symbol === "weights" && head !== null) knobs.push(element("button", { id: "cut", textContent: "Cut this edge",
    onclick: () => change([{ layer, symbol, position, unit: null, head, key: unit }]) }));
  return knobs;
}

// Gates, cell and state of the chosen unit of a recurrent layer, as lines whose points can be dragged.
function alongTheText({ layer, unit, symbol: chosen }) {
  if (!layer || !recurrentOf(model, layer) || ["x", "h + x"].includes(chosen)) return [];
  const symbols = state.seen.symbols[layer];
  const names = ["i", "f", "g", "o", "z", "r", "candidate", "c", "h"].filter(name => symbols[name]);
  const lines = names.map(name => ({ name, values: symbols[name].map(row => row[unit]), share: isShare(name, null) }));
  const drag = computes && ((line, t, value) => change([{ layer, symbol: names[line], position: t, unit, head: null, value }]));
  return [lineChart({ title: `${layer}: unit ${unit}`, lines, tokens: columns(symbols.h), drag, chosen })];
}
