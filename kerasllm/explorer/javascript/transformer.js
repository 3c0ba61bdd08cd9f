// Attention and Transformer blocks, the equations of kerasllm.reference.

// scores = q kᵀ / √K;  weights = softmax(scores);  z = weights v;  output = [z of all heads] W + b
function attention(rows, layer, name, seen) {
  const { heads, groups, size, kernel, bias, output_kernel, output_bias, causal, rotary } = layer;
  const T = rows.length, group = n => Math.floor(n * groups / heads); // whose keys head n reads
  const all = rows.map((row, t) => product(seen.put(name, "x", t, row), kernel, bias));
  const read = (symbol, count, before) => headRows(count, T, (n, t) => {
    const row = all[t].slice((before + n) * size, (before + n + 1) * size);
    return rotary && symbol !== "v" ? turned(row, t, rotary) : row;
  }, symbol, name, seen);
  const q = read("q", heads, 0), k = read("k", groups, heads), v = read("v", groups, heads + groups);
  const scores = headRows(heads, T, (n, t) =>
    Float64Array.from(k[group(n)], key => dot(q[n][t], key) / Math.sqrt(size)), "scores", name, seen);
  const weights = headRows(heads, T, (n, t) =>
    softmax(scores[n][t], s => !causal || s <= t), "weights", name, seen);
  const z = headRows(heads, T, (n, t) => {
    const read = rowOf(size);
    weights[n][t].forEach((share, s) => v[group(n)][s].forEach((value, d) => { read[d] += share * value; }));
    return read;
  }, "z", name, seen);
  return rows.map((_, t) => seen.put(name, "output", t,
    product(joined(z.map(head => head[t])), output_kernel, output_bias)));
}

// One row for each head and position; all heads of a position are put down together.
function headRows(heads, T, compute, symbol, name, seen) {
  const made = Array.from({ length: heads }, () => Array(T));
  for (let t = 0; t < T; t++) {
    const rows = seen.put(name, symbol, t, Array.from({ length: heads }, (_, n) => compute(n, t)));
    rows.forEach((row, n) => { made[n][t] = row; });
  }
  return made;
}

// Turn each pair (a, b) of features by the angle t / base^(2i/K). A pair are neighbours, or one
// feature of each half.
function turned(row, t, { base, interleaved }) {
  const half = row.length / 2, out = rowOf(row.length);
  for (let i = 0; i < half; i++) {
    const [first, second] = interleaved ? [2 * i, 2 * i + 1] : [i, half + i];
    const angle = t * base ** (-i / half), a = row[first], b = row[second];
    out[first] = a * Math.cos(angle) - b * Math.sin(angle);
    out[second] = a * Math.sin(angle) + b * Math.cos(angle);
  }
  return out;
}

// a = x W₁ + b₁;  h = bend(a);  output = h W₂ + b₂.  Gated: [a up] = x W₁ + b₁;  h = silu(a) · up
function feedForward(rows, layer, name, seen) {
  return rows.map((row, t) => {
    const x = seen.put(name, "x", t, row);
    const h = seen.put(name, "h", t, hidden(product(x, layer.w_1, layer.b_1), layer, name, t, seen));
    return seen.put(name, "output", t, product(h, layer.w_2, layer.b_2));
  });
}

function hidden(wide, { activation }, name, t, seen) {
  if (activation !== "swiglu") return seen.put(name, "a", t, wide).map(ACTIVATIONS[activation]);
  const half = wide.length / 2, a = seen.put(name, "a", t, wide.slice(0, half));
  const gate = seen.put(name, "gate", t, a.map(value => value * sigmoid(value)));
  return times(gate, seen.put(name, "up", t, wide.slice(half)));
}

// normalized = (x - mean) / size;  output = γ · normalized + β
function normalized(rows, layer, name, seen) {
  return rows.map((row, t) => {
    const x = seen.put(name, "x", t, row), { mean, size } = meanAndSize(x, layer);
    const made = seen.put(name, "normalized", t, x.map(value => (value - mean) / size));
    const scaled = layer.gamma ? times(made, layer.gamma.data) : made;
    return seen.put(name, "output", t, layer.beta ? add(scaled, layer.beta.data) : scaled);
  });
}

// h = x + attention(norm(x));  output = h + feed_forward(norm(h))
// "post" has each norm after its sum: h = norm(x + attention(x));  output = norm(h + feed_forward(h))
const SUMS = { pre: ["h", "output"], post: ["x + attention", "h + feed_forward"] };

function block(rows, layer, name, seen) {
  const parts = [[attention, "attention"], [feedForward, "feed_forward"]];
  parts.forEach(([compute, part], n) => {
    const norm = x => normalized(x, layer[`${part}_norm`], `${name}/${part}_norm`, seen);
    const branch = x => compute(x, layer[part], `${name}/${part}`, seen);
    const added = branch(layer.norm === "pre" ? norm(rows) : rows);
    rows = rows.map((x, t) => seen.put(name, SUMS[layer.norm][n], t, add(x, added[t])));
    if (layer.norm === "post") rows = norm(rows);
  });
  return rows;
}
