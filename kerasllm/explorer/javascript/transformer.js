// Attention and Transformer blocks, the equations of kerasllm.reference.

// scores = q kᵀ / √K;  weights = softmax(scores);  z = weights v;  output = [z of all heads] W + b
function attention(rows, layer, name, seen) {
  const { heads, size, kernel, bias, output_kernel, output_bias, causal, rotary } = layer;
  const T = rows.length, width = heads * size;
  const all = rows.map((row, t) => product(seen.put(name, "x", t, row), kernel, bias));
  const read = (symbol, place) => headRows(heads, T, (n, t) => {
    const row = all[t].slice(place * width + n * size, place * width + (n + 1) * size);
    return rotary && symbol !== "v" ? turned(row, t) : row;
  }, symbol, name, seen);
  const q = read("q", 0), k = read("k", 1), v = read("v", 2);
  const scores = headRows(heads, T, (n, t) =>
    Float64Array.from(k[n], key => dot(q[n][t], key) / Math.sqrt(size)), "scores", name, seen);
  const weights = headRows(heads, T, (n, t) =>
    softmax(scores[n][t], s => !causal || s <= t), "weights", name, seen);
  const z = headRows(heads, T, (n, t) => {
    const read = rowOf(size);
    weights[n][t].forEach((share, s) => v[n][s].forEach((value, d) => { read[d] += share * value; }));
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

// Turn each pair (a, b) of features by the angle t / 10000^(2i/K).
function turned(row, t) {
  const half = row.length / 2, out = rowOf(row.length);
  for (let i = 0; i < half; i++) {
    const angle = t * 10000 ** (-i / half), a = row[i], b = row[half + i];
    out[i] = a * Math.cos(angle) - b * Math.sin(angle);
    out[half + i] = a * Math.sin(angle) + b * Math.cos(angle);
  }
  return out;
}

// a = x W₁ + b₁;  h = bend(a);  output = h W₂ + b₂
function feedForward(rows, layer, name, seen) {
  return rows.map((row, t) => {
    const x = seen.put(name, "x", t, row);
    const a = seen.put(name, "a", t, product(x, layer.w_1, layer.b_1));
    const h = seen.put(name, "h", t, a.map(ACTIVATIONS[layer.activation]));
    return seen.put(name, "output", t, product(h, layer.w_2, layer.b_2));
  });
}

function normalized(rows, layer, name, seen) {
  return rows.map((row, t) => {
    const made = layerNorm(seen.put(name, "x", t, row), layer);
    seen.put(name, "normalized", t, made.normalized);
    return made.output;
  });
}

// x = x + attention(norm(x));  x = x + feed_forward(norm(x));  "post" has each norm after its sum.
function block(rows, layer, name, seen) {
  const parts = [[attention, "attention"], [feedForward, "feed_forward"]];
  for (const [compute, part] of parts) {
    const norm = x => normalized(x, layer[`${part}_norm`], `${name}/${part}_norm`, seen);
    const branch = x => compute(x, layer[part], `${name}/${part}`, seen);
    const added = branch(layer.norm === "pre" ? norm(rows) : rows);
    rows = rows.map((x, t) => add(x, added[t]));
    if (layer.norm === "post") rows = norm(rows);
  }
  return rows;
}
