// One step of each cell, the equations of kerasllm.reference. `put(symbol, row)` records a symbol
// and returns the row to go on with: the same one, or what a what-if put in its place.

const CELLS = {
  // i, f, o = σ(…), g = tanh(…);  c = f · c_previous + i · g;  h = o · tanh(c)
  lstm(projected, [hPrevious, cPrevious], { recurrent_kernel: U }, put) {
    const H = hPrevious.length, gates = add(projected, product(hPrevious, U));
    const part = (k, bend) => gates.slice(k * H, (k + 1) * H).map(bend);
    const i = put("i", part(0, sigmoid)), f = put("f", part(1, sigmoid));
    const g = put("g", part(2, Math.tanh)), o = put("o", part(3, sigmoid));
    const c = put("c", add(times(f, cPrevious), times(i, g)));
    const h = put("h", times(o, c.map(Math.tanh)));
    return [h, c];
  },

  // z, r = σ(…);  candidate = tanh(x W_h + b_h + inner);  h = z · h_previous + (1 - z) · candidate
  gru(projected, [hPrevious], { recurrent_kernel: U, recurrent_bias: c, reset_after }, put) {
    const H = hPrevious.length, shares = product(hPrevious, U, reset_after ? c : null);
    const gate = k => sigmoid(projected[k] + shares[k]);
    const z = put("z", rowOf(H).map((_, k) => gate(k)));
    const r = put("r", rowOf(H).map((_, k) => gate(H + k)));
    const reset = reset_after ? times(r, shares.slice(2 * H))     // after the matrix product
      : product(times(r, hPrevious), U).slice(2 * H);              // before it, as in the paper
    const inner = put("inner", reset);
    const candidate = put("candidate", inner.map((v, k) => Math.tanh(projected[2 * H + k] + v)));
    return [put("h", z.map((keep, k) => keep * hPrevious[k] + (1 - keep) * candidate[k]))];
  },

  // h = tanh(x W + h_previous U + b)
  simple(projected, [hPrevious], { recurrent_kernel: U, activation }, put) {
    return [put("h", add(projected, product(hPrevious, U)).map(ACTIVATIONS[activation]))];
  },
};

// Walk through the rows of a text, from its end where the layer reads backwards.
function walk(rows, layer, name, seen) {
  const units = layer.recurrent_kernel.shape[0], T = rows.length, output = Array(T);
  let state = layer.cell === "lstm" ? [rowOf(units), rowOf(units)] : [rowOf(units)];
  for (let step = 0; step < T; step++) {
    const t = layer.backwards ? T - 1 - step : step;
    const projected = product(seen.put(name, "x", t, rows[t]), layer.kernel, layer.bias);
    const put = (symbol, row) => seen.put(name, symbol, t, row);
    state = CELLS[layer.cell](projected, state, layer, put);
    output[t] = state[0];
  }
  return output;
}

// [→h ; ←h] of both directions.
function walkBoth(rows, layer, name, seen) {
  const ours = walk(rows, layer.forward, `${name}/forward`, seen);
  const theirs = walk(rows, layer.backward, `${name}/backward`, seen);
  return ours.map((row, t) => joined([row, theirs[t]]));
}
