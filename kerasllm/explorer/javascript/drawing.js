// Elements, and pictures of rows of numbers as SVG. Texts are set as texts: none is read as HTML.

function element(tag, properties = {}, ...content) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made && name !== "list") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...content.flat());
  return made;
}

function svg(tag, attributes = {}, ...content) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...content.flat());
  return made;
}

// A token as a person can read it: its space and its line ends made visible.
const readable = token => token.replace(/\n/g, "\\n").replace(/\t/g, "\\t").replace(/^ +/, s => "␣".repeat(s.length));
const number = value => Math.abs(value) >= 1e4 || (value && Math.abs(value) < 1e-3)
  ? value.toExponential(2) : value.toFixed(4);

// Blue below 0, white at 0, red above, as a share of the largest number.
function colour(value, largest) {
  const share = Math.min(Math.abs(value) / (largest || 1), 1), fade = Math.round(255 - 190 * share);
  return value < 0 ? `rgb(${fade},${fade + Math.round(20 * share)},255)` : `rgb(255,${fade},${fade})`;
}

const CELL = 18, LABELS = 70;

// A grid of numbers: a row of the picture for each of `names`, a column for each token.
// `pick(row, column)` is called where it is clicked, or chosen by the arrow keys and Enter.
function heatmap({ title, values, names, tokens, chosen, pick }) {
  const largest = values.flat().reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  const width = LABELS + CELL * tokens.length, height = CELL * values.length + LABELS;
  const cells = values.flatMap((row, r) => row.map((value, c) => svg("rect", {
    x: LABELS + c * CELL, y: r * CELL, width: CELL, height: CELL, fill: colour(value, largest),
    class: chosen && chosen[0] === r && chosen[1] === c ? "cell chosen" : "cell",
    "data-row": r, "data-column": c }, svg("title", {}, `${names[r]}, ${tokens[c]}: ${number(value)}`))));
  const rows = names.map((name, r) => svg("text", {
    x: LABELS - 4, y: r * CELL + 13, "text-anchor": "end" }, name));
  const columns = tokens.map((token, c) => svg("text", { "text-anchor": "end",
    transform: `translate(${LABELS + c * CELL + 13},${CELL * values.length + 4}) rotate(-60)` }, token));
  const made = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, tabindex: 0,
    role: "grid", "aria-label": `${title}; arrow keys move, Enter chooses`, class: "heatmap" },
  svg("title", {}, title), cells, rows, columns);
  listen(made, values, chosen ?? [0, 0], pick);
  return made;
}

function listen(picture, values, start, pick) {
  let [row, column] = start;
  picture.addEventListener("click", event => {
    const { row: r, column: c } = event.target.closest("rect")?.dataset ?? {};
    if (r !== undefined) pick(Number(r), Number(c));
  });
  picture.addEventListener("keydown", event => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    row = Math.min(Math.max(row + step[0], 0), values.length - 1);
    column = Math.min(Math.max(column + step[1], 0), values[0].length - 1);
    pick(row, column);
  });
}

// Lines of several symbols of one unit along the text, each with its name at its end.
const INKS = ["#b03030", "#2060b0", "#2e7d32", "#8a5a00", "#6a3fa0", "#444"];

function lineChart(title, lines, tokens) {
  const step = 24, height = 130, width = step * tokens.length + 40, all = lines.flatMap(line => line.values);
  const low = Math.min(-0.1, ...all), high = Math.max(1, ...all);
  const y = value => 6 + (height - 12) * (high - value) / (high - low);
  const x = t => step * (t + 0.5);
  const drawn = lines.flatMap(({ name, values }, n) => [svg("polyline", { fill: "none", stroke: INKS[n % 6],
    "stroke-width": 1.5, points: values.map((value, t) => `${x(t)},${y(value)}`).join(" ") }),
  svg("text", { x: x(tokens.length - 1) + 5 + 9 * n, y: y(values.at(-1)) + 4, style: `fill:${INKS[n % 6]}` }, name)]);
  const words = tokens.map((token, t) => svg("text", { x: x(t), y: height + 12, "text-anchor": "middle" }, token));
  return svg("svg", { viewBox: `0 0 ${width + 40} ${height + 18}`, width: width + 40, height: height + 18 },
    svg("title", {}, title), svg("line", { x1: 0, x2: width, y1: y(0), y2: y(0), stroke: "#bbb" }), drawn, words);
}

// Arcs from each query to the keys that it looks at, as strong as the weight.
function arcs(weights, tokens, title) {
  const step = 36, height = 30 + tokens.length * step / 2, width = step * (tokens.length + 1);
  const drawn = weights.flatMap((row, t) => [...row].map((weight, s) => ({ t, s, weight })))
    .filter(({ t, s, weight }) => s !== t && weight > 0.02)
    .map(({ t, s, weight }) => {
      const [a, b] = [step * (s + 1), step * (t + 1)], top = height - 14;
      return svg("path", { d: `M${a},${top} A${Math.abs(b - a) / 2},${Math.abs(b - a) / 2} 0 0 ${s < t ? 1 : 0} ${b},${top}`,
        class: "arc", "stroke-width": 4 * weight, "stroke-opacity": 0.25 + 0.75 * weight });
    });
  const words = tokens.map((token, t) => svg("text", {
    x: step * (t + 1), y: height, "text-anchor": "middle" }, token));
  return svg("svg", { viewBox: `0 0 ${width} ${height + 6}`, width, height: height + 6, class: "arcs" },
    svg("title", {}, title), drawn, words);
}

// A picture, and the button that saves it.
const figure = picture => element("figure", {}, picture, element("button", { textContent: "Save as SVG",
  onclick: () => savePicture(picture, picture.querySelector("title").textContent) }));

// Save a picture with the style that it has on the page.
function savePicture(picture, name) {
  const copy = picture.cloneNode(true);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.prepend(svg("style", {}, "text{font:11px sans-serif;fill:#222}.chosen{stroke:#000;stroke-width:2}"
    + ".arc{fill:none;stroke:#b03030}"));
  const link = element("a", { download: `${name.replace(/[^\w-]+/g, "_")}.svg`,
    href: `data:image/svg+xml,${encodeURIComponent(copy.outerHTML)}` });
  link.click();
  return link;
}
