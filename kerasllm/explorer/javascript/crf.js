// The best sequence of tags by a linear-chain CRF (Viterbi), the equation of kerasllm.reference.

// score(tags) = start[tag_1] + Σ emissions[m, tag_m] + Σ transitions[tag_m, tag_m+1] + end[tag_M]
function bestTags(emissions, { transitions, start, end }) {
  const C = emissions[0].length, back = [];
  let best = add(emissions[0], start.data);
  for (const scores of emissions.slice(1)) {
    const from = [], next = rowOf(C);
    for (let tag = 0; tag < C; tag++) {
      const ways = best.map((value, before) => value + transitions.data[before * C + tag]);
      from.push(largest(ways));
      next[tag] = ways[from[tag]] + scores[tag];
    }
    back.push(from);
    best = next;
  }
  const tags = [largest(add(best, end.data))];
  for (const from of back.reverse()) tags.unshift(from[tags[0]]);
  return tags;
}

const largest = row => row.reduce((best, value, k) => value > row[best] ? k : best, 0);
