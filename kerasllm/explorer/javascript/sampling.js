// From the scores of the next token to what is drawn.

// p = softmax(logits / temperature), of the k likeliest, and of the fewest that reach the share p.
function nextTokens(logits, { temperature, topK, topP }) {
  const scores = logits.map(value => value / Math.max(temperature, 1e-3));
  const p = softmax(scores), order = [...p.keys()].sort((a, b) => p[b] - p[a]);
  let kept = order.slice(0, topK || order.length), reached = 0;
  if (topP < 1) kept = kept.slice(0, 1 + kept.findIndex(id => (reached += p[id]) >= topP) || kept.length);
  const total = kept.reduce((sum, id) => sum + p[id], 0);
  return kept.map(id => ({ id, p: p[id] / total }));
}

function drawn(tokens, random = Math.random()) {
  let left = random;
  return (tokens.find(({ p }) => (left -= p) < 0) ?? tokens.at(-1)).id;
}
