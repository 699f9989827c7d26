// Third part: the curves of values and advantages along an episode, on the scale of its bands.

const HEADS = ["low (executor)", "high (planner)", "switch"];
const WIDE = 1000, HIGH = 400;
const SVG = "http://www.w3.org/2000/svg";

function svg(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// Round numbers around what is drawn, zero among them.
function ticksOf(values) {
  const low = Math.min(0, ...values), high = Math.max(0, ...values), span = high - low || 1;
  const unit = 10 ** Math.floor(Math.log10(span / 3));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * unit).find((size) => size * 3 >= span);
  const first = Math.floor(low / step + 1e-9), last = Math.max(Math.ceil(high / step - 1e-9), first + 1);
  return Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step);
}

function pathOf(column, up) {
  let path = "", down = false;
  for (const [turn, value] of column.entries()) {
    if (typeof value !== "number") { down = false; continue; }
    const x = (WIDE * (turn + 0.5) / column.length).toFixed(1);
    path += (down ? "L" : "M") + x + " " + up(value).toFixed(1) + (down ? "" : "h0");
    down = true;
  }
  return path;
}

// The chart of one episode; null without numbers. `mark` moves its cursor.
class Curves {
  constructor(turns, pick) {
    this.turns = turns;
    this.kinds = ["values", "advantages"].filter((kind) => turns.some((turn) => turn[kind]));
    this.kind = this.kinds[0];
    this.at = 0;
    this.pick = pick;
    this.element = make("figure", { class: "curves" });
    this.draw();
  }

  draw() {
    const columns = HEADS.map((_, head) => this.turns.map((turn) => (turn[this.kind] || [])[head]));
    const ticks = ticksOf(columns.flat().filter((value) => typeof value === "number"));
    const low = ticks[0], high = ticks[ticks.length - 1];
    const up = (value) => HIGH * (high - value) / (high - low);
    const drawing = svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none",
      role: "img", "aria-label": this.kind + " of the three heads along the turns" });
    for (const tick of ticks) {
      const line = svg("path", { d: `M0 ${up(tick).toFixed(1)}H${WIDE}`, class: "grid" });
      if (tick === 0) line.classList.add("zero");
      drawing.append(line);
    }
    columns.forEach((column, head) => {
      drawing.append(svg("path", { d: pathOf(column, up), class: "line c" + head }));
    });
    this.now = make("span", { class: "now" });
    const plot = make("div", { class: "plot", click: (event) => {
      const box = plot.getBoundingClientRect();
      this.pick(Math.floor(this.turns.length * (event.clientX - box.left) / box.width));
    } }, drawing, this.now);
    for (const tick of ticks) {
      const label = make("span", { class: "tick y" }, written(tick));
      label.style.top = 100 * up(tick) / HIGH + "%";
      plot.append(label);
    }
    this.legend = make("div", { class: "legend" });
    const choices = this.kinds.map((kind) => make("button", { type: "button",
      "aria-pressed": String(kind === this.kind), click: () => this.show(kind) },
    kind[0].toUpperCase() + kind.slice(1)));
    const caption = make("figcaption", {},
      make("div", { class: "choices", role: "group", "aria-label": "What is drawn" }, choices),
      this.legend);
    this.element.replaceChildren(caption, plot);
    this.mark(this.at);
  }

  show(kind) {
    this.kind = kind;
    this.draw();
    this.element.querySelector("[aria-pressed=true]").focus();
  }

  mark(turn) {
    this.at = turn;
    this.now.style.left = 100 * (turn + 0.5) / this.turns.length + "%";
    const triple = this.turns[turn][this.kind] || [];
    this.legend.replaceChildren(...HEADS.map((name, head) => make("span", {},
      make("i", { class: "swatch c" + head }), name,
      make("b", {}, aligned(triple[head], this.kind === "advantages")))));
  }
}
