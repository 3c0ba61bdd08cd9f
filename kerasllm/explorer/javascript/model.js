// A model is a row of steps, each reading what the one before hands on. `run` computes it.

const STEPS = {
  embedding: (ids, layer, name, seen) => ids.map((id, t) => {
    const row = seen.put(name, "rows", t, rowOfMatrix(layer.table, id));
    const place = layer.positions && (layer.positions.data ? rowOfMatrix(layer.positions, t)
      : sinusoids(t, row.length));
    const x = place ? add(layer.positions.data ? row : row.map(v => v * Math.sqrt(row.length)), place)
      : row;
    const segment = layer.segments && rowOfMatrix(layer.segments, segmentOf(ids, t, layer));
    const pair = layer.pairs && rowOfMatrix(layer.pairs, pairOf(ids, t, layer));
    return seen.put(name, "output", t, [segment, pair].filter(row => row).reduce(add, x));
  }),
  recurrent: (rows, layer, name, seen) => residual(rows, walk(rows, layer, name, seen), layer, seen),
  both: (rows, layer, name, seen) => residual(rows, walkBoth(rows, layer, name, seen), layer, seen),
  block: (rows, layer, name, seen) => block(rows, layer, name, seen),
  norm: normalized,
  dense: (rows, layer, name, seen) => rows.map((row, t) => {
    const x = seen.put(name, "x", t, row);
    const a = seen.put(name, "a", t, product(x, layer.kernel, layer.bias));
    const bend = layer.activation === "softmax" ? softmax : row => row.map(ACTIVATIONS[layer.activation]);
    return seen.put(name, "output", t, bend(a));
  }),
  logits: (rows, layer, name, seen) => rows.map((row, t) => {
    const logits = transposedProduct(seen.put(name, "h", t, row), layer.table);
    if (layer.never !== null) logits[0] = layer.never;
    return seen.put(name, "logits", t, logits);
  }),
  pool: (rows, layer, name, seen) => {
    const read = rows.map((row, t) => seen.put(name, "x", t, row));
    return [seen.put(name, "output", 0, POOLS[layer.mode](read, layer))];
  },
  last: rows => [rows[rows.length - 1]],
  gather: (rows, layer, name, seen) => seen.positions ? seen.positions.map(t => rows[t]) : rows,
  crf: rows => rows, // scores, of which `bestTags` finds the best sequence
};

const POOLS = {
  mean: rows => rows.reduce(add).map(value => value / rows.length),
  max: rows => rows.reduce((a, b) => a.map((value, k) => Math.max(value, b[k]))),
  mean_max: rows => Float64Array.of(...POOLS.mean(rows), ...POOLS.max(rows)),
  last: rows => rows[rows.length - 1],
  first: rows => rows[0],
  attention(rows, { query }) {
    const shares = softmax(Float64Array.from(rows, row => dot(row, query.data)));
    return rows.map((row, t) => row.map(value => value * shares[t])).reduce(add);
  },
};

// What a recurrent layer reads is added to what it makes, where the two have one width.
const residual = (rows, made, layer, seen) =>
  layer.residual && rows[0].length === made[0].length
    ? made.map((row, t) => seen.put(layer.name, "h + x", t, add(row, rows[t]))) : made;

function sinusoids(t, width) {
  return rowOf(width).map((_, k) => {
    const angle = t / 10000 ** ((k - k % 2) / width);
    return k % 2 ? Math.cos(angle) : Math.sin(angle);
  });
}

function segmentOf(ids, t, { separator, segments }) {
  const before = ids.slice(0, t).filter(id => id === separator).length;
  return Math.min(before, segments.shape[0] - 1);
}

function pairOf(ids, t, { pairs, mix }) {
  const rows = pairs.shape[0];
  return (mix * ((t ? ids[t - 1] : 0) % rows) + ids[t]) % rows;
}

// What a model computes: `symbols[layer][symbol][position]` is a row, or a row for each head.
class Seen {
  constructor(ids, changes = [], positions = null) {
    this.symbols = {};
    this.ids = ids;
    this.changes = changes;
    this.positions = positions; // of the first pieces of words, where a model reads words
  }

  put(layer, symbol, position, row) {
    for (const change of this.changes) {
      if (change.layer === layer && change.symbol === symbol &&
        (change.position === null || change.position === position)) row = changed(row, change);
    }
    const symbols = this.symbols[layer] ??= {};
    (symbols[symbol] ??= [])[position] = row;
    return row;
  }
}

// Put `change.value` in the place of a unit, of a head; or let an attention not see `change.key`.
function changed(row, change) {
  const ofHead = one => {
    const made = one.slice();
    if (change.key !== undefined) {
      made[change.key] = 0;
      const total = sum(made);
      return total ? made.map(value => value / total) : made;
    }
    const units = change.unit === null ? made.keys() : [change.unit];
    for (const unit of units) made[unit] = change.value.length ? change.value[unit] : change.value;
    return made;
  };
  if (!Array.isArray(row)) return ofHead(row);
  return row.map((one, n) => change.head === null || change.head === n ? ofHead(one) : one);
}

// Compute a model on ids; returns the `Seen` with `output`, the rows of the last step.
function run(model, { ids, positions }, changes = []) {
  const seen = new Seen(ids, changes, positions);
  seen.output = model.steps.reduce(
    (rows, layer) => STEPS[layer.op](rows, layer, layer.name, seen), ids);
  return seen;
}

// What was stored of a text, of a model that the page does not compute.
function storedOf({ ids, positions, symbols, answers }, numbers) {
  const seen = Object.assign(new Seen(ids, [], positions), { answers });
  for (const { layer, symbol, at, size, shape } of symbols) {
    const flat = Float64Array.from(numbers.subarray(at, at + size)), width = shape.at(-1);
    const rows = Array.from({ length: size / width }, (_, k) => flat.slice(k * width, (k + 1) * width));
    const T = shape.length === 3 ? shape[1] : rows.length; // heads: (N, T, K) there, (T, N, K) here
    (seen.symbols[layer] ??= {})[symbol] = shape.length < 3 ? rows
      : Array.from({ length: T }, (_, t) => Array.from({ length: shape[0] }, (_, n) => rows[n * T + t]));
    seen.output = seen.symbols[layer][symbol];
  }
  return seen;
}

// Give every matrix `{ name, shape, at }` of a description its numbers.
function withWeights(part, numbers) {
  if (Array.isArray(part)) return part.map(one => withWeights(one, numbers));
  if (part === null || typeof part !== "object") return part;
  if ("shape" in part) { // without `at` the numbers are not in the page
    const size = part.shape.reduce((a, b) => a * b, 1);
    return { ...part, data: "at" in part && Float64Array.from(numbers.subarray(part.at, part.at + size)) };
  }
  return Object.fromEntries(Object.entries(part).map(([k, v]) => [k, withWeights(v, numbers)]));
}

// How far the page's numbers are from those that NumPy stored: the largest difference of a symbol
// as a share of the symbol's largest number.
function distance(seen, stored) {
  let worst = { distance: 0, layer: "", symbol: "", compared: 0 };
  for (const { layer, symbol, values, from } of stored) {
    const rows = seen.symbols[layer]?.[symbol]?.slice(from);
    if (!rows) return { distance: Infinity, layer, symbol, compared: worst.compared };
    const flat = Array.isArray(rows[0]) // heads: (T, N, K) here, (N, T, K) there
      ? joined(rows[0].flatMap((_, n) => rows.map(heads => heads[n]))) : joined(rows);
    const scale = values.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-30);
    let far = flat.length === values.length ? 0 : Infinity;
    flat.forEach((value, k) => { far = Math.max(far, Math.abs(value - values[k]) / scale); });
    worst.compared += flat.length;
    if (!(far <= worst.distance)) worst = { ...worst, distance: far, layer, symbol };
  }
  return worst;
}
