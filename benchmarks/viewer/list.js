// Second part: the list of episodes, or of tasks that two runs share, and its filters.

const PORTION = 60;
const ANY = "";
const NOT_WON = "not won";
const LETTERS = ["A", "B"];

// An entry of the list: for every run the episodes it stands for, and the text it is searched by.
function entriesOf(rows, runs) {
  if (runs === 1) return rows.map((row) => ({ sides: [[row]], text: textOf(row) }));
  const tasks = new Map();
  for (const row of rows) {
    if (!tasks.has(row.id)) tasks.set(row.id, { sides: [[], []], text: "" });
    const entry = tasks.get(row.id);
    entry.sides[row.run].push(row);
    entry.text += textOf(row);
  }
  return [...tasks.values()];
}

function textOf(row) {
  const subgoals = row.bands.map((band) => band[0]);
  return [row.task, row.id, spaced(row.type), row.failure, ...subgoals, ""].join("\n").toLowerCase();
}

function hasOutcome(row, outcome) {
  return outcome === ANY || row.outcome === outcome || (outcome === NOT_WON && row.outcome !== "won");
}

class EpisodeList {
  constructor(rows, runs, open) {
    this.runs = runs.length;
    this.entries = entriesOf(rows, this.runs);
    this.rows = rows;
    this.shown = [];
    this.items = [];
    this.current = null;
    this.addSelects();
    this.searches = 0;
    byId("search").addEventListener("input", () => this.filter());
    byId("deep").addEventListener("change", () => this.filter());
    byId("filters").addEventListener("submit", async (event) => {
      event.preventDefault();
      if (await this.filter() && this.shown.length) open(this.shown[0]);
    });
    byId("more").addEventListener("click", () => this.addPortion());
    const watch = new IntersectionObserver((seen) => {
      if (seen.some((each) => each.isIntersecting)) this.addPortion();
    });
    watch.observe(byId("more"));
    this.filter();
  }

  addSelects() {
    const add = (label, values, shown) => {
      const select = make("select", { change: () => this.filter() },
        make("option", { value: ANY }, "all"),
        values.map((value) => make("option", { value }, shown(value))));
      const field = make("label", { class: "field" }, make("span", {}, label), select);
      byId("selects").append(field);
      return select;
    };
    const found = (of, name) => [...new Set(of.map((row) => row[name]))];
    const same = (value) => value;
    this.type = add("Type", found(this.rows, "type").sort(), (value) => spaced(value) || "unknown");
    this.choices = Array.from({ length: this.runs }, (_, run) => {
      const own = this.rows.filter((row) => row.run === run);
      const prefix = this.runs > 1 ? LETTERS[run] + ": " : "";
      const outcomes = found(own, "outcome");
      const some = outcomes.filter((outcome) => outcome !== "won").length > 1;
      return {
        outcome: add(prefix + (prefix ? "outcome" : "Outcome"), some ? [...outcomes, NOT_WON] : outcomes, same),
        seed: add(prefix + (prefix ? "seed" : "Seed"), found(own, "seed"), same),
      };
    });
  }

  entryOf(row) { return this.entries.find((entry) => entry.sides[row.run].includes(row)); }

  // All plays of a row's task in its run, one a seed.
  plays(row) {
    if (!row.id) return [row];
    return this.rows.filter((each) => each.run === row.run && each.id === row.id);
  }

  // The episodes of an entry that pass the filters, one a run; null if it does not pass.
  chosen(entry) {
    const chosen = [];
    for (const [run, rows] of entry.sides.entries()) {
      const { outcome, seed } = this.choices[run];
      const passing = rows.filter((row) => hasOutcome(row, outcome.value)
        && (seed.value === ANY || row.seed === seed.value));
      if (!passing.length) return null;
      chosen.push(passing.find((row) => run && row.seed === chosen[0].seed) || passing[0]);
    }
    return chosen;
  }

  // Shows the entries that pass; false if another search has begun meanwhile.
  async filter() {
    const search = ++this.searches, type = this.type.value;
    const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const deep = byId("deep").checked && words.length ? await this.search(words, search) : null;
    if (search !== this.searches) return false;
    const says = (entry) => words.every((word) => entry.text.includes(word))
      || (deep && entry.sides.flat().some((row) => deep.has(row)));
    this.shown = this.entries.filter((entry) => (type === ANY || entry.sides[0][0].type === type)
      && says(entry) && this.chosen(entry) !== null);
    this.items = [];
    byId("list").replaceChildren();
    const all = this.entries.length, few = this.shown.length;
    const what = this.runs > 1 ? "task" : "episode";
    byId("count").textContent = few === all ? plural(all, what)
      : few.toLocaleString("en") + " of " + plural(all, what);
    this.addPortion();
    return true;
  }

  // The rows whose turns have all words; it takes a moment, since every episode is unpacked.
  async search(words, search) {
    const found = new Set();
    for (const row of this.rows) {
      if (row.number % 25 === 0) {
        byId("count").textContent = "searching " + plural(this.rows.length - row.number, "episode");
      }
      // An episode that cannot be unpacked is named when it is opened.
      const content = await unpack(row.number + 1).catch(() => ({ turns: [] }));
      if (search !== this.searches) break;
      const texts = content.turns.map((turn) => [turn.observation, turn.output, turn.action]);
      const text = [textOf(row), texts.flat(), content.final].flat().join("\n").toLowerCase();
      if (words.every((word) => text.includes(word))) found.add(row);
    }
    return found;
  }

  addPortion() {
    const next = this.shown.slice(this.items.length, this.items.length + PORTION);
    const made = next.map((entry) => this.item(entry));
    this.items.push(...made);
    byId("list").append(...made);
    byId("more").hidden = this.items.length >= this.shown.length;
  }

  item(entry) {
    const chosen = this.chosen(entry), row = chosen[0];
    const lines = this.runs > 1
      ? entry.sides.map((rows, run) => make("span", { class: "marks" },
        make("b", { class: "letter side" + run }, LETTERS[run]),
        rows.map((each) => outcomeBadge(each, "seed " + each.seed + ": " + each.outcome, false)),
        stripOf(chosen[run])))
      : [stripOf(row)];
    const facts = [spaced(row.type), this.runs > 1 ? null : "seed " + row.seed,
      this.runs > 1 ? null : plural(row.turns, "turn"), "no. " + row.position];
    const link = make("a", { href: fragmentOf(chosen) },
      make("span", { class: "title" }, this.runs > 1 ? null : outcomeBadge(row, row.outcome, true),
        make("span", { class: "task" }, row.task || row.id || "task unknown")),
      lines,
      make("span", { class: "muted" }, facts.filter(Boolean).join(" · ")));
    if (entry === this.current) link.setAttribute("aria-current", "true");
    return make("li", {}, link);
  }

  // Marks an entry as the one that is shown.
  mark(entry) {
    this.current = entry;
    while (this.shown.indexOf(entry) >= this.items.length) this.addPortion();
    const at = this.shown.indexOf(entry);
    for (const [place, item] of this.items.entries()) {
      if (place === at) item.firstChild.setAttribute("aria-current", "true");
      else item.firstChild.removeAttribute("aria-current");
    }
  }

  // Scrolls the list, never the page, until the current entry can be seen: items take their height
  // only when they come into view, and push it away again.
  reveal(frames = 4) {
    this.scroll();
    if (frames) requestAnimationFrame(() => this.reveal(frames - 1));
  }

  scroll() {
    const pane = byId("episodes"), item = this.items[this.shown.indexOf(this.current)];
    if (!item || pane.scrollHeight <= pane.clientHeight) return;
    const box = item.getBoundingClientRect(), frame = pane.getBoundingClientRect();
    const bottom = Math.min(frame.bottom, innerHeight);
    if (box.top < frame.top) pane.scrollTop -= frame.top - box.top;
    else if (box.bottom > bottom) pane.scrollTop += box.bottom - bottom;
  }

  // The entry so many places after the current one, among those that pass the filters.
  beside(steps) {
    const at = this.shown.indexOf(this.current);
    return at < 0 ? this.shown[0] : this.shown[at + steps];
  }
}

function outcomeBadge(row, label, worded) {
  const kind = { won: "good", truncated: "cut", failed: "broken" }[row.outcome] || "bad";
  return make("b", { class: "badge " + kind, title: label, "aria-label": label, role: "img" },
    worded ? row.outcome : "");
}

// Options as bands, as wide as they are long.
function stripOf(row) {
  const strip = make("span", { class: "mini", "aria-hidden": "true" });
  for (const [subgoal, turns, color] of row.bands) {
    const band = make("i", { class: colorClass(color), title: subgoal });
    band.style.flexGrow = turns;
    strip.append(band);
  }
  return strip;
}

function colorClass(color) { return color < 0 ? "plain" : "c" + color; }

// Where the page shows episodes: #seed-0/12/5 is turn 5 of position 12, seed 0. Of two runs, the
// seed and the turn of the second follow.
function fragmentOf(rows, turns = []) {
  const [left, right] = rows;
  let text = "#seed-" + left.seed + "/" + left.position;
  if (turns[0] || right) text += "/" + (turns[0] || 1);
  if (right) text += "/seed-" + right.seed + (turns[1] ? "/" + turns[1] : "");
  return text;
}

const FRAGMENT = /^#seed-(-?\d+)\/(\d+)(?:\/(\d+)(?:\/seed-(-?\d+)(?:\/(\d+))?)?)?$/;

// Rows and turns that a fragment names; null if they are not on this page.
function readFragment(fragment, entries) {
  const found = FRAGMENT.exec(fragment);
  if (!found) return null;
  const [, seed, position, turn, otherSeed, otherTurn] = found;
  for (const entry of entries) {
    const left = entry.sides[0].find((r) => r.seed === seed && r.position === Number(position));
    if (!left) continue;
    const rows = [left];
    if (entry.sides[1]) {
      const wanted = otherSeed === undefined ? seed : otherSeed;
      rows.push(entry.sides[1].find((r) => r.seed === wanted) || entry.sides[1][0]);
    }
    return { entry, rows, turns: [Number(turn || 1), Number(otherTurn || 1)] };
  }
  return null;
}
