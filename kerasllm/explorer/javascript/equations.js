// Equations with the numbers in them: what a number is computed from, each of it again a number.
// A source says where a number is: { layer, symbol, position, unit, head }, { weight, row, column }
// of a matrix of weights, or { answer, position, unit } of a probability.

// An equation is { lines, tables }. A line is a row of texts and numbers, a table the parts of a sum.
function equation(model, seen, source, sampling) {
  if (source.weight) return null;
  if (source.answer) return equationOfAnswer(model, seen, source, sampling);
  const part = partOf(model, source.layer);
  const made = part && EQUATIONS[part.kind](numbersOf(model, seen, source, part), source.symbol);
  return made && { tables: [], ...made };
}

// What a name stands for: a step, or what is inside of it.
function partOf(model, name) {
  const index = model.steps.findIndex(step => name === step.name || name.startsWith(`${step.name}/`));
  if (index < 0) return null;
  const step = model.steps[index], inside = name.slice(step.name.length + 1);
  if (inside === "last") return null;
  if (!inside) return { index, step, layer: step, kind: step.op };
  if (step.op === "both") return { index, step, layer: step[inside], kind: "recurrent" };
  const kind = inside.endsWith("_norm") ? "norm" : inside;
  return step.op === "block" ? { index, step, layer: step[inside], kind } : null;
}

const recurrentOf = (model, name) => {
  const part = partOf(model, name);
  return part?.kind === "recurrent" ? part.layer : null;
};

function numberAt(seen, { weight, row, column, layer, symbol, position, unit, head = null }) {
  if (weight) return weight.data?.[column === null ? row : row * weight.shape[1] + column];
  const found = seen.symbols[layer]?.[symbol]?.[position];
  return (head === null ? found : found?.[head])?.[unit];
}

// A number that can be clicked; { value } alone is one that cannot.
const linked = (seen, source) => ({ source, value: numberAt(seen, source) });
const weightAt = (weight, row, column = null) => weight && { weight, row, column };

// What an equation is written with: where it stands, and the numbers around it.
function numbersOf(model, seen, source, part) {
  const { layer: name, position: t, unit, head = null } = source;
  const own = (symbol, other = {}) => ({ layer: name, symbol, position: t, unit, head, ...other });
  return { model, seen, name, t, unit, head, part, layer: part.layer, own,
    get: (symbol, other) => linked(seen, own(symbol, other)),
    weight: (...where) => where[0] ? linked(seen, weightAt(...where)) : { value: 0 },
    below: other => { // the number of the layer before that this one was read from
      const from = outputSource(model, seen, part.index - 1, t, unit, other);
      return from && linked(seen, from);
    } };
}

// Where the output of a step is found.
function outputSource(model, seen, index, position, unit) {
  const step = model.steps[index], source = { layer: step?.name, position, unit, head: null };
  if (!step) return null;
  const summed = seen.symbols[step.name]?.["h + x"];
  switch (step.op) {
    case "recurrent": return { ...source, symbol: summed ? "h + x" : "h" };
    case "both": {
      if (summed) return { ...source, symbol: "h + x" };
      return ofDirection(step, source, unit);
    }
    case "block": return step.norm === "pre" ? { ...source, symbol: "output" }
      : { ...source, layer: `${step.name}/feed_forward_norm`, symbol: "output" };
    case "logits": return { ...source, symbol: "logits" };
    case "pool": return { ...source, symbol: "output", position: 0 };
    case "last": return outputSource(model, seen, index - 1, seen.ids.length - 1, unit);
    case "gather": return outputSource(model, seen, index - 1, seen.positions?.[position] ?? position, unit);
    case "crf": return outputSource(model, seen, index - 1, position, unit);
    default: return { ...source, symbol: "output" };
  }
}

function ofDirection(step, source, unit) {
  const units = step.forward.recurrent_kernel.shape[0], way = unit < units ? "forward" : "backward";
  return { ...source, layer: `${step.name}/${way}`, symbol: "h", unit: unit % units };
}

// === Sums ===

const MOST_TERMS = 12;

// The parts of a sum, the largest first: each a product (or `join`) of the numbers of its sources.
function parts(seen, title, count, sourcesOf, { join = "×", sorted = true } = {}) {
  const rows = [];
  for (let k = 0; k < count; k++) {
    const numbers = sourcesOf(k).map(one => "value" in one ? one : linked(seen, one));
    if (numbers.some(({ value }) => value === undefined)) return { title, missing: true };
    const share = numbers.map(one => one.value).reduce((a, b) => join === "×" ? a * b : a + b);
    rows.push({ numbers, share });
  }
  const total = rows.reduce((all, row) => all + row.share, 0);
  if (sorted) rows.sort((a, b) => Math.abs(b.share) - Math.abs(a.share));
  const shown = sorted ? rows.slice(0, MOST_TERMS) : rows;
  return { title, join, total, rows: shown, left: rows.length - shown.length };
}

// The entry of row @ matrix in a column.
const productParts = (seen, title, source, matrix, column) =>
  parts(seen, title, matrix.shape[0], k => [{ ...source, unit: k }, weightAt(matrix, k, column)]);

// What a sum is, where the page has the numbers to add up.
const totalOf = table => table.missing ? `(${table.title})` : { value: table.total };

const logSum = values => {
  const top = values.reduce((a, b) => Math.max(a, b), -Infinity);
  return top + Math.log(values.reduce((all, value) => all + Math.exp(value - top), 0));
};

// x @ W + b of a layer, `bend` of it: the form of most symbols.
function bent(c, symbol, bend, x, matrix, bias, column, names = "x·W + b") {
  const table = productParts(c.seen, names.split(" ")[0], c.own(x, { head: null }), matrix, column);
  const whole = bias ? names : names.split(" + ")[0];
  const [open, close] = bend ? [`${bend}(`, ")"] : ["", ""];
  return { lines: [[`${symbol} = ${open}${whole}${close}`],
    [`= ${open}`, totalOf(table), ...(bias ? [" + ", c.weight(bias, column)] : []), close]],
  tables: [table] };
}

const came = (c, symbol) => {
  const from = c.below();
  return from && { lines: [[`${symbol} is ${from.source.symbol} of ${from.source.layer}`], ["= ", from]] };
};

// === Recurrent layers ===

const GATES = { lstm: ["i", "f", "g", "o"], gru: ["z", "r", "candidate"], simple: ["h"] };

// A gate: bend(x @ W + h_previous @ U + b).
function gate(c, symbol, before) {
  const { layer, seen } = c, units = layer.recurrent_kernel.shape[0];
  const column = GATES[layer.cell].indexOf(symbol) * units + c.unit;
  const bend = ["g", "candidate"].includes(symbol) ? "tanh"
    : layer.cell === "simple" ? layer.activation : "σ";
  const x = productParts(seen, "x·W", c.own("x"), layer.kernel, column);
  const bias = c.weight(layer.bias, column), second = layer.recurrent_bias;
  if (symbol === "candidate") {
    return { lines: [["candidate = tanh(x·W + b + inner)"],
      ["= tanh(", totalOf(x), " + ", bias, " + ", c.get("inner"), ")"]], tables: [x] };
  }
  const h = before ? productParts(seen, "h_previous·U", c.own("h", before), layer.recurrent_kernel, column)
    : { title: "h_previous·U", total: 0, rows: [], left: 0, first: true };
  const also = second ? [" + ", c.weight(second, column)] : [];
  return { lines: [[`${symbol} = ${bend}(x·W + h_previous·U + b${second ? " + c" : ""})`],
    [`= ${bend}(`, totalOf(x), " + ", totalOf(h), " + ", bias, ...also, ")"]], tables: [x, h] };
}

// What the reset gate of a GRU lets through of the state.
function inner(c, before) {
  const { layer, seen } = c, units = layer.recurrent_kernel.shape[0], column = 2 * units + c.unit;
  if (layer.reset_after) {
    const h = before ? productParts(seen, "h_previous·U", c.own("h", before), layer.recurrent_kernel, column)
      : { title: "h_previous·U", total: 0, rows: [], left: 0, first: true };
    return { lines: [["inner = r · (h_previous·U + c)"], ["= ", c.get("r"), " · (", totalOf(h), " + ",
      c.weight(layer.recurrent_bias, column), ")"]], tables: [h] };
  }
  const table = before ? parts(seen, "(r · h_previous)·U", units, k => [c.own("r", { unit: k }),
    c.own("h", { ...before, unit: k }), weightAt(layer.recurrent_kernel, k, column)])
    : { title: "(r · h_previous)·U", total: 0, rows: [], left: 0, first: true };
  return { lines: [["inner = (r · h_previous)·U"], ["= ", totalOf(table)]], tables: [table] };
}

function ofCell(c, symbol) {
  if (symbol === "x") return came(c, "x");
  if (symbol === "h + x") {
    const h = c.part.step.op === "both" ? linked(c.seen, ofDirection(c.part.step, c.own("h"), c.unit)) : c.get("h");
    return { lines: [["h + x, what the layer hands on"], ["= ", h, " + ", c.below()]] };
  }
  const position = c.t + (c.layer.backwards ? 1 : -1);
  const before = c.seen.symbols[c.name].h?.[position] ? { position } : null;
  const previous = name => before ? c.get(name, before) : { value: 0 };
  if (symbol === "inner") return inner(c, before);
  if (symbol === "c") {
    return { lines: [["c = f · c_previous + i · g"],
      ["= ", c.get("f"), " · ", previous("c"), " + ", c.get("i"), " · ", c.get("g")]] };
  }
  if (symbol === "h" && c.layer.cell === "lstm") {
    return { lines: [["h = o · tanh(c)"], ["= ", c.get("o"), " · tanh(", c.get("c"), ")"]] };
  }
  if (symbol === "h" && c.layer.cell === "gru") {
    return { lines: [["h = z · h_previous + (1 - z) · candidate"], ["= ", c.get("z"), " · ", previous("h"),
      " + (1 - ", c.get("z"), ") · ", c.get("candidate")]] };
  }
  return gate(c, symbol, before);
}

// === Embeddings, dense layers, pooling ===

function ofEmbedding(c, symbol) {
  const { layer, seen, t, unit } = c, id = seen.ids[t];
  if (symbol === "rows") {
    return { lines: [[`rows = row ${id} of the table, that of the token at position ${t}`],
      ["= ", c.weight(layer.table, id, unit)]] };
  }
  const added = [["rows", c.get("rows")]];
  if (layer.positions?.sinusoidal) {
    const width = layer.table.shape[1];
    added[0] = [`rows · √${width}`, c.get("rows"), " · ", { value: Math.sqrt(width) }];
    added.push([`sine or cosine of position ${t}`, { value: sinusoids(t, width)[unit] }]);
  } else if (layer.positions) added.push([`the row of position ${t}`, c.weight(layer.positions, t, unit)]);
  if (layer.segments) {
    const which = segmentOf(seen.ids, t, layer);
    added.push([`the row of segment ${which}`, c.weight(layer.segments, which, unit)]);
  }
  if (layer.pairs) {
    const which = pairOf(seen.ids, t, layer);
    added.push([`the row ${which} of the pair of tokens`, c.weight(layer.pairs, which, unit)]);
  }
  return { lines: [[`output = ${added.map(([name]) => name).join(" + ")}`],
    added.flatMap(([, ...numbers], n) => [n ? " + " : "= ", ...numbers])] };
}

function ofDense(c, symbol) {
  const { layer, unit } = c;
  if (symbol === "x") return came(c, "x");
  if (symbol === "a") return bent(c, "a", "", "x", layer.kernel, layer.bias, unit);
  return layer.activation === "softmax" ? softmaxOf(c, "output", "a")
    : layer.activation === "linear" ? { lines: [["output = a"], ["= ", c.get("a")]] }
    : { lines: [[`output = ${layer.activation}(a)`], [`= ${layer.activation}(`, c.get("a"), ")"]] };
}

// A share of a softmax over the entries of one row.
function softmaxOf(c, symbol, scores) {
  const row = c.seen.symbols[c.name][scores]?.[c.t] ?? [];
  return { lines: [[`${symbol} = exp(${scores} - log Σ exp(${scores}))`],
    ["= exp(", c.get(scores), " - ", { value: logSum(row) }, ")"]] };
}

function ofLogits(c, symbol) {
  if (symbol === "h") return came(c, "h");
  const { layer, seen, unit } = c, [, width] = layer.table.shape;
  if (unit === 0 && layer.never !== null) return { lines: [["the padding token is never an answer"]] };
  const table = parts(seen, "h·E", width, k => [c.own("h", { unit: k }), weightAt(layer.table, unit, k)]);
  return { lines: [["logit = h·E, with E the token's row of the table of the embedding"],
    ["= ", totalOf(table)]], tables: [table] };
}

function ofPool(c, symbol) {
  const { layer, seen, name, unit } = c, rows = seen.symbols[name].x;
  if (symbol === "x") return came(c, "x");
  if (!rows) return { lines: [[`output = ${layer.mode} of x over the tokens`]] };
  const width = rows[0].length;
  const x = k => ({ layer: name, symbol: "x", position: k, unit: unit % width, head: null });
  const mode = layer.mode === "mean_max" ? (unit < width ? "mean" : "max") : layer.mode;
  if (mode === "mean") {
    const table = parts(seen, "Σ x / T", rows.length, k => [x(k), { value: 1 / rows.length }], { sorted: false });
    return { lines: [["output = mean of x over the tokens"], ["= ", totalOf(table)]], tables: [table] };
  }
  if (mode === "attention") {
    if (!layer.query.data) return { lines: [["output = Σ share · x, shares = softmax(x·w)"]] };
    const shares = softmax(Float64Array.from(rows, row => dot(row, layer.query.data)));
    const table = parts(seen, "Σ share · x", rows.length, k => [x(k), { value: shares[k] }], { sorted: false });
    return { lines: [["output = Σ share · x,  shares = softmax(x·w)"], ["= ", totalOf(table)]], tables: [table] };
  }
  const column = rows.map(row => row[unit % width]);
  const which = mode === "max" ? largest(column) : mode === "last" ? rows.length - 1 : 0;
  const said = { max: "the largest x of all tokens", last: "x of the last token", first: "x of the first token" };
  return { lines: [[`output = ${said[mode]}, position ${which}`], ["= ", linked(seen, x(which))]] };
}

// === Answers ===

function equationOfAnswer(model, seen, { position, unit, path }, { temperature = 1 } = {}) {
  const row = description.predicts === "class" ? 0 : position; // of a text there is one
  const from = k => outputSource(model, seen, model.steps.length - 1, row, k);
  const crf = model.steps.find(step => step.op === "crf");
  if (crf && path) return ofPath(seen, crf, path, (m, tag) =>
    outputSource(model, seen, model.steps.length - 1, m, tag));
  if (!computes) return { lines: [["p = exp(logit - log Σ exp(logits))"]], tables: [] };
  if (description.normalised) return { lines: [["the model hands on this probability"], ["= ", linked(seen, from(unit))]], tables: [] };
  if (description.multilabel) return { lines: [["p = σ(logit)"], ["= σ(", linked(seen, from(unit)), ")"]], tables: [] };
  const scale = Math.max(temperature, 1e-3), warm = scale === 1 ? "" : ` / ${scale}`;
  return { lines: [[`p = exp(logit${warm} - log Σ exp(logits${warm}))`],
    ["= exp(", linked(seen, from(unit)), `${warm} - `, { value: logSum(seen.output[row].map(v => v / scale)) }, ")"]], tables: [] };
}

// The score of a path of a CRF, word by word.
function ofPath(seen, crf, path, emission) {
  const last = path.length - 1;
  const table = parts(seen, "start, or transition from the tag before, + emission (+ end)", path.length, m => [
    m ? weightAt(crf.transitions, path[m - 1], path[m]) : weightAt(crf.start, path[0]), emission(m, path[m]),
    ...(m === last ? [weightAt(crf.end, path[m])] : [])], { join: "+", sorted: false });
  return { lines: [["score(tags) = start + Σ emissions + Σ transitions + end, the largest of all paths"],
    ["= ", totalOf(table)]], tables: [table] };
}
