// Equations with the numbers in them: what a number is computed from, each of it again a number.
// A source is { layer, symbol, position, unit }, a weight { weight, value }, or neither.

const at = (seen, source) => seen.symbols[source.layer][source.symbol][source.position][source.unit];

// The share of a matrix product: its largest terms, by size.
function terms(row, matrix, unit, where, limit = 12) {
  const [, columns] = matrix.shape;
  const all = Array.from(row, (value, k) => {
    const weight = matrix.data[k * columns + unit];
    return { k, value, weight, share: value * weight, source: where && { ...where, unit: k } };
  });
  all.sort((a, b) => Math.abs(b.share) - Math.abs(a.share));
  return { total: all.reduce((s, term) => s + term.share, 0), terms: all.slice(0, limit),
    left: Math.max(all.length - limit, 0) };
}

const GATES = { lstm: ["i", "f", "g", "o"], gru: ["z", "r", "candidate"], simple: ["h"] };

// A gate: bend(x @ W + h_previous @ U + b).
function gate(seen, layer, name, symbol, position, unit) {
  const units = layer.recurrent_kernel.shape[0], cell = GATES[layer.cell];
  const column = cell.indexOf(symbol) * units + unit, before = position + (layer.backwards ? 1 : -1);
  const symbols = seen.symbols[name], previous = symbols.h[before];
  const x = terms(symbols.x[position], layer.kernel, column, { layer: name, symbol: "x", position });
  const h = terms(previous ?? rowOf(units), layer.recurrent_kernel, column,
    previous && { layer: name, symbol: "h", position: before });
  const bend = ["g", "candidate"].includes(symbol) ? "tanh"
    : layer.cell === "simple" ? layer.activation : "σ";
  const bias = (layer.bias?.data[column] ?? 0) + (layer.recurrent_bias?.data[column] ?? 0);
  return { lines: [`${symbol} = ${bend}(x·W + h_previous·U + b)`,
    `= ${bend}(${x.total.toFixed(4)} + ${h.total.toFixed(4)} + ${bias.toFixed(4)})`],
  products: [{ title: "x·W", ...x }, { title: "h_previous·U", ...h }] };
}

// Factors and sums of other symbols of the same step.
function combination(seen, layer, name, symbol, position, unit) {
  const before = position + (layer.backwards ? 1 : -1);
  const value = (s, t = position) => seen.symbols[name][s][t]?.[unit] ?? 0;
  const source = (s, t = position) => ({ layer: name, symbol: s, position: t, unit });
  const formulas = {
    c: ["c = f · c_previous + i · g", [["f", "f"], ["c_previous", "c", before], ["i", "i"], ["g", "g"]]],
    h: layer.cell === "lstm" ? ["h = o · tanh(c)", [["o", "o"], ["c", "c"]]]
      : ["h = z · h_previous + (1 - z) · candidate",
        [["z", "z"], ["h_previous", "h", before], ["candidate", "candidate"]]],
  };
  const [formula, factors] = formulas[symbol];
  return { lines: [formula], factors: factors.map(([title, s, t]) =>
    ({ title, value: value(s, t), source: value(s, t) === 0 && t < 0 ? null : source(s, t) })) };
}

// Return the equation of a number, or null where the page has none to show.
function equation(model, seen, { layer: name, symbol, position, unit }) {
  const layer = recurrentOf(model, name);
  if (!layer || symbol === "inner") return null;
  if (symbol === "x") return cameFrom(model, seen, name, position, unit);
  const combined = symbol === "c" || (symbol === "h" && layer.cell !== "simple");
  const made = (combined ? combination : gate)(seen, layer, name, symbol, position, unit);
  if (symbol === "candidate" && layer.reset_after !== undefined) {
    const inner = seen.symbols[name].inner[position][unit];
    made.lines = ["candidate = tanh(x·W + b + inner)", `inner = ${inner.toFixed(4)}, what the reset`
      + " gate lets through of h_previous·U"];
    made.products = made.products.slice(0, 1);
  }
  return made;
}

function recurrentOf(model, name) {
  for (const step of model.steps) {
    if (step.op === "recurrent" && step.name === name) return step;
    if (step.op === "both" && name.startsWith(`${step.name}/`)) return step[name.split("/").at(-1)];
  }
  return null;
}

// The input of a layer: the number of the layer below that it was read from.
function cameFrom(model, seen, name, position, unit) {
  const place = model.steps.findIndex(step => name === step.name || name.startsWith(`${step.name}/`));
  const below = model.steps[place - 1];
  const symbol = { embedding: "output", recurrent: "h", dense: "output" }[below.op];
  if (!symbol || below.residual) return null;
  const source = { layer: below.name, symbol, position, unit };
  return { lines: [`x is ${symbol} of ${below.name}, the layer below`],
    factors: [{ title: symbol, value: at(seen, source), source }] };
}
