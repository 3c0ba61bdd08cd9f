// Rows of numbers: a text of T tokens with D features is T Float64Arrays of D numbers.

const rowOf = (length, fill = 0) => new Float64Array(length).fill(fill);
const add = (a, b) => a.map((value, k) => value + b[k]);
const times = (a, b) => a.map((value, k) => value * b[k]);
const sum = row => row.reduce((total, value) => total + value, 0);
const dot = (a, b) => a.reduce((total, value, k) => total + value * b[k], 0);
const joined = rows => Float64Array.from(rows.flatMap(row => [...row]));

const sigmoid = a => 1 / (1 + Math.exp(-a));
const relu = a => Math.max(a, 0);
const ACTIVATIONS = { linear: a => a, tanh: Math.tanh, sigmoid, relu,
  gelu: a => a * (1 + erf(a / Math.SQRT2)) / 2,
  gelu_tanh: a => a * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (a + 0.044715 * a ** 3))) / 2 };

// erf(x) = 2/√π Σ (-1)ⁿ x²ⁿ⁺¹ / (n! (2n+1)); beyond 3 a continued fraction of what is missing to 1.
function erf(x) {
  const size = Math.abs(x);
  if (size > 6) return Math.sign(x);
  if (size > 3) {
    let fraction = 0;
    for (let n = 60; n > 0; n--) fraction = n / 2 / (size + fraction);
    return Math.sign(x) * (1 - Math.exp(-size * size) / Math.sqrt(Math.PI) / (size + fraction));
  }
  let term = x, total = x;
  for (let n = 1; n < 80; n++) {
    term *= -x * x / n;
    total += term / (2 * n + 1);
  }
  return 2 / Math.sqrt(Math.PI) * total;
}

// A matrix (rows, columns) lies row by row in `data`. Returns row @ matrix + bias.
function product(row, { shape: [rows, columns], data }, bias) {
  const out = bias ? Float64Array.from(bias.data) : rowOf(columns);
  for (let r = 0; r < rows; r++) {
    const value = row[r], start = r * columns;
    if (value !== 0) for (let c = 0; c < columns; c++) out[c] += value * data[start + c];
  }
  return out;
}

// Returns row @ matrixᵀ.
function transposedProduct(row, { shape: [rows, columns], data }) {
  return rowOf(rows).map((_, r) => {
    let total = 0;
    for (let c = 0; c < columns; c++) total += row[c] * data[r * columns + c];
    return total;
  });
}

const rowOfMatrix = ({ shape: [, columns], data }, number) =>
  Float64Array.from(data.subarray(number * columns, (number + 1) * columns));

// Probabilities of scores, where `seen` says so; zeros where nothing is seen.
function softmax(scores, seen = () => true) {
  let largest = -Infinity;
  scores.forEach((score, k) => { if (seen(k) && score > largest) largest = score; });
  const powers = scores.map((score, k) => seen(k) ? Math.exp(score - largest) : 0);
  const total = sum(powers);
  return total ? powers.map(power => power / total) : powers;
}

// What a normalisation subtracts and divides by: mean and √(variance + ε); of RMS 0 and √(mean of x² + ε).
function meanAndSize(row, { rms, epsilon }) {
  const mean = rms ? 0 : sum(row) / row.length;
  return { mean, size: Math.sqrt(sum(row.map(value => (value - mean) ** 2)) / row.length + epsilon) };
}

// A blob of little-endian float32 numbers in base64, cut into matrices by `{ shape, at }`.
function decodeWeights(base64) {
  const signs = atob(base64), bytes = new Uint8Array(signs.length);
  for (let k = 0; k < signs.length; k++) bytes[k] = signs.charCodeAt(k);
  return new Float32Array(bytes.buffer);
}
