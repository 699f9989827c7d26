// Fifth part: an episode as a timeline of options, and its turns below.

// One column of the page. `changed` is called when another turn or episode is chosen in it.
class Side {
  constructor(number, letter, changed) {
    this.number = number;
    this.letter = letter;
    this.changed = changed;
    this.row = null;
    this.turn = 0;
    this.opened = new Set();
    this.box = make("article", { class: "side", "aria-label": letter ? "Run " + letter : "Episode" });
    this.box.addEventListener("focusin", () => this.changed(this, "focus"));
    this.box.addEventListener("pointerdown", () => this.changed(this, "focus"));
  }

  // Shows an episode at a turn, counted from 1; `rows` are the task's episodes of this run.
  async show(row, rows, turn) {
    if (this.row !== row) {
      this.row = row;
      this.opened.clear();
      this.box.setAttribute("aria-busy", "true");
      const content = await contentOf(row);
      if (this.row !== row) return false;
      this.content = content;
      this.draw(rows);
      this.box.removeAttribute("aria-busy");
    }
    this.go(turn - 1, false);
    return true;
  }

  draw(rows) {
    const { row, content } = this;
    this.curves = null;
    if (content.turns.some((turn) => turn.values)) {
      this.curves = new Curves(content.turns, (turn) => this.go(turn, true));
    }
    this.lines = content.turns.map((turn, index) => this.line(turn, index));
    this.timeline = content.turns.length ? this.bands() : null;
    this.box.replaceChildren(...[this.heading(rows), this.timeline,
      this.curves && this.curves.element, ...this.options(), this.end()].filter(Boolean));
    this.turn = 0;
    if (this.timeline) {
      this.box.style.setProperty("--sticky", this.timeline.offsetHeight + "px");
    }
  }

  heading(rows) {
    const { row, content } = this;
    const total = (values) => values.every((value) => typeof value === "number") && values.length
      ? values.reduce((sum, value) => sum + value, 0) : null;
    const seconds = total(content.turns.map((turn) => turn.seconds));
    const tokens = total(content.turns.map((turn) => (turn.tokens || [])[1]));
    const facts = [spaced(row.type), plural(row.turns, "turn"), plural(row.bands.length, "option"),
      row.score === undefined ? null : "score " + written(row.score),
      seconds === null ? null : duration(seconds),
      tokens === null ? null : plural(tokens, "token") + " written"];
    return make("header", {},
      make("h2", { tabindex: "-1" },
        this.letter ? make("b", { class: "letter side" + this.number }, this.letter) : null,
        row.task || "task unknown"),
      make("p", { class: "outcome" }, outcomeBadge(row, row.outcome, true),
        make("span", { class: "muted" }, facts.filter(Boolean).join(" · "))),
      row.failure ? make("aside", { class: "problems failure" }, make("h2", {}, "Why it failed"),
        make("p", {}, row.failure)) : null,
      this.seeds(rows),
      make("p", { class: "muted id" }, row.id));
  }

  seeds(rows) {
    if (rows.length < 2) return make("p", { class: "muted" }, "seed " + this.row.seed);
    const select = make("select", { change: () => this.changed(this, "seed", rows[select.selectedIndex]) },
      rows.map((row) => make("option", {}, row.seed + " (" + row.outcome + ")")));
    select.selectedIndex = rows.indexOf(this.row);
    return make("label", { class: "field inline" }, make("span", {}, "seed"), select);
  }

  bands() {
    const strip = make("div", { class: "strip", role: "group", "aria-label": "Options" });
    let first = 0;
    this.firsts = [];
    for (const [subgoal, turns, color] of this.row.bands) {
      const start = first, label = subgoal || "no subgoal";
      const band = make("button", { type: "button", class: colorClass(color), tabindex: "-1",
        title: label + ": " + plural(turns, "turn") + " from " + (start + 1),
        click: () => this.go(start, true) }, label);
      band.style.flexGrow = turns;
      strip.append(band);
      this.firsts.push(start);
      first += turns;
    }
    this.cells = make("div", { class: "cells", "aria-hidden": "true", click: (event) => {
      const box = this.cells.getBoundingClientRect();
      this.go(Math.floor(this.lines.length * (event.clientX - box.left) / box.width), true);
    } }, this.content.turns.map((turn, index) => make("i", {
      class: turn.format_valid === false || turn.action_valid === false ? "bad"
        : turn.reward > 0 ? "good" : null,
      title: "turn " + (index + 1) + ": " + (turn.action || "malformed") })));
    this.cells.classList.toggle("dense", this.lines.length > 120);
    this.counter = make("span", { class: "counter" });
    return make("div", { class: "timeline" },
      this.letter ? make("b", { class: "letter side" + this.number }, this.letter) : make("span"),
      strip, this.counter, this.cells);
  }

  options() {
    let first = 0;
    return this.row.bands.map(([subgoal, turns, color]) => {
      const list = make("ol", {}, this.lines.slice(first, first + turns).map((line) => line.item));
      first += turns;
      return make("section", { class: "option " + colorClass(color) },
        make("h3", {}, make("bdi", {}, subgoal || "no subgoal"),
          make("span", { class: "muted" }, plural(turns, "turn"))), list);
    });
  }

  line(turn, index) {
    const id = "turn-" + this.number + "-" + index;
    const body = make("div", { id, hidden: true });
    const button = make("button", { type: "button", class: "head", "aria-expanded": "false",
      "aria-controls": id, click: () => this.toggle(index) }, turnLine(turn, index + 1));
    return { body, button, item: make("li", { class: "turn" }, button, body) };
  }

  end() {
    const { row, content } = this, last = content.turns[content.turns.length - 1];
    const words = { won: "Won.", lost: "The task ended without success.", "not won": "Not won.",
      truncated: "The step limit ended the episode.", failed: "The agent failed." }[row.outcome];
    return make("section", { class: "end" },
      make("h3", {}, outcomeBadge(row, row.outcome, false), words),
      last ? null : make("p", { class: "empty" }, "There are no turns."),
      row.outcome === "failed" && last && last.advantages ? make("p", { class: "muted" },
        "Advantages are those of an episode that is cut off after its last turn.") : null,
      content.final ? block("Last observation", make("p", { class: "text" }, content.final)) : null);
  }

  // Goes to a turn, counted from 0; with `move` the keyboard goes there too.
  go(turn, move) {
    if (!this.lines.length) return;
    const before = this.turn;
    this.turn = Math.max(0, Math.min(turn, this.lines.length - 1));
    if (before !== this.turn && !this.opened.has(before)) this.unfold(before, false);
    this.lines[before].item.removeAttribute("aria-current");
    const { item, button } = this.lines[this.turn];
    item.setAttribute("aria-current", "step");
    this.unfold(this.turn, true);
    this.cells.children[before].classList.remove("at");
    this.cells.children[this.turn].classList.add("at");
    this.counter.textContent = this.turn + 1 + "/" + this.lines.length;
    if (this.curves) this.curves.mark(this.turn);
    if (move) {
      button.focus({ preventScroll: true });
      item.scrollIntoView({ block: "start" });
      this.changed(this, "turn");
    }
  }

  // To the beginning of the option so many after the current one.
  skip(steps) {
    if (!this.lines.length) return;
    const at = this.firsts.filter((first) => first <= this.turn).length - 1;
    const back = steps < 0 && this.turn > this.firsts[at] ? 1 : 0;
    this.go(this.firsts[Math.max(0, Math.min(at + steps + back, this.firsts.length - 1))], true);
  }

  toggle(index) {
    const shown = !this.lines[index].body.hidden;
    if (shown) this.opened.delete(index); else this.opened.add(index);
    if (index !== this.turn) {
      if (!shown) { this.go(index, false); this.changed(this, "turn"); }
      this.unfold(index, !shown);
    } else this.unfold(index, !shown);
  }

  unfold(index, open) {
    const { body, button } = this.lines[index];
    if (open && !body.firstChild) {
      body.append(turnBody(this.content.turns[index], this.content));
    }
    body.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
  }

  unfoldAll() {
    const open = this.lines.some((line) => line.body.hidden);
    for (const index of this.lines.keys()) {
      if (open) this.opened.add(index); else this.opened.delete(index);
      this.unfold(index, open);
    }
  }

  // Opens or closes a part of the current turn.
  part(name) {
    if (!this.lines.length) return;
    this.unfold(this.turn, true);
    const found = this.lines[this.turn].body.querySelector(`[data-part=${name}]`);
    if (found) found.open = !found.open;
  }
}
