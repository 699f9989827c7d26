// Last part: what is shown, the address of it, and the keys.

class Viewer {
  constructor(index) {
    index.rows.forEach((row, number) => { row.number = number; });
    const many = index.runs.length > 1;
    this.sides = index.runs.map((_, number) => new Side(number, many ? LETTERS[number] : "",
      (side, what, row) => this.changed(side, what, row)));
    this.active = this.sides[0];
    this.list = new EpisodeList(index.rows, index.runs, (entry) => this.open(entry));
    if (many) byId("sides").append(this.tabs());
    byId("sides").append(...this.sides.map((side) => side.box));
    byId("sides").classList.toggle("two", many);
    this.timer = 0;
    this.activate(this.active);
  }

  tabs() {
    this.buttons = this.sides.map((side) => make("button", { type: "button",
      click: () => this.activate(side) }, "Run " + side.letter));
    return make("div", { class: "tabs", role: "group", "aria-label": "Which run" }, this.buttons);
  }

  // Of two runs, the one that the keys act on and that a narrow window shows.
  activate(side) {
    this.active = side;
    this.sides.forEach((each, number) => {
      each.box.classList.toggle("active", each === side);
      if (this.buttons) this.buttons[number].setAttribute("aria-pressed", String(each === side));
    });
  }

  changed(side, what, row) {
    if (side !== this.active) this.activate(side);
    if (what === "turn") this.remember();
    if (what === "seed") {
      const rows = this.sides.map((each) => (each === side ? row : each.row));
      const turns = this.sides.map((each) => (each === side ? 1 : each.turn + 1));
      this.show(this.list.entryOf(rows[0]), rows, turns);
      this.list.reveal();
      this.remember();
    }
  }

  async show(entry, rows, turns) {
    byId("problem").textContent = "";
    this.list.mark(entry);
    try {
      await Promise.all(this.sides.map((side, number) =>
        side.show(rows[number], this.list.plays(rows[number]), turns[number] || 1)));
    } catch (error) {
      byId("problem").textContent = "This episode cannot be shown: " + error.message;
    }
  }

  // Opens an entry of the list, in place of the one before.
  async open(entry) {
    if (!entry) return;
    const rows = this.list.chosen(entry) || entry.sides.map((side) => side[0]);
    this.write(fragmentOf(rows));
    await this.follow();
  }

  // Writes the address of what is shown; not at every turn while a key is held down.
  remember() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      // Somebody may just have gone elsewhere.
      if (location.hash !== this.address) return;
      const rows = this.sides.map((side) => side.row);
      this.write(fragmentOf(rows, this.sides.map((side) => side.turn + 1)));
    }, 120);
  }

  write(address) {
    history.replaceState(null, "", location.href.split("#")[0] + address);
    this.address = location.hash;
  }

  // Shows what the address names; without one, the list and its first episode.
  async follow() {
    clearTimeout(this.timer);
    this.address = location.hash;
    const named = location.hash.length > 1;
    const found = readFragment(location.hash, this.list.entries);
    document.body.classList.toggle("reading", Boolean(found));
    if (found) {
      await this.show(found.entry, found.rows, found.turns);
      if (this.active.lines && this.active.lines.length) this.reveal(found.turns);
    } else {
      const first = this.list.shown[0] || this.list.entries[0];
      if (!this.list.current && first) {
        await this.show(first, this.list.chosen(first) || first.sides.map((side) => side[0]), []);
      }
      if (named) byId("problem").textContent = "The address names no episode of this page.";
    }
  }

  // An episode begins with its heading; a turn further on is scrolled to.
  reveal(turns) {
    this.sides.forEach((side, number) => {
      if (turns[number] > 1 && side.lines.length) {
        side.lines[side.turn].item.scrollIntoView({ block: "start" });
      } else side.box.scrollTop = 0;
    });
    if (turns.every((turn) => turn <= 1)) byId("reader").scrollIntoView({ block: "start" });
    this.list.reveal();
  }

  step(turns) { this.active.go(this.active.turn + turns, true); }

  leave() {
    if (byId("search") === document.activeElement) byId("search").blur();
    else if (document.body.classList.contains("reading")) {
      clearTimeout(this.timer);
      this.write("");
      document.body.classList.remove("reading");
      const current = document.querySelector("#list [aria-current]");
      if (current) current.focus();
    }
  }

  other(number) {
    if (!this.sides[number]) return;
    this.activate(this.sides[number]);
    if (this.active.lines.length) this.active.go(this.active.turn, true);
  }
}

function bind(viewer) {
  const search = () => {
    document.body.classList.remove("reading");
    byId("search").focus();
    byId("search").select();
  };
  const last = () => viewer.active.go(Infinity, true);
  const keys = {
    j: () => viewer.step(1), ArrowDown: () => viewer.step(1),
    k: () => viewer.step(-1), ArrowUp: () => viewer.step(-1),
    J: () => viewer.active.skip(1), K: () => viewer.active.skip(-1),
    Home: () => viewer.active.go(0, true), End: last,
    n: () => viewer.open(viewer.list.beside(1)), p: () => viewer.open(viewer.list.beside(-1)),
    h: () => viewer.other(0), ArrowLeft: () => viewer.other(0),
    l: () => viewer.other(1), ArrowRight: () => viewer.other(1),
    o: () => viewer.active.part("output"), a: () => viewer.active.part("admissible"),
    e: () => viewer.active.unfoldAll(),
    "/": search, "?": () => byId("keys").showModal(), Escape: () => viewer.leave(),
  };
  const buttons = { "back": "Escape", "previous-episode": "p", "previous-turn": "k",
    "next-turn": "j", "next-episode": "n", "all-turns": "e", "help": "?" };
  for (const [id, key] of Object.entries(buttons)) byId(id).addEventListener("click", keys[key]);
  byId("close-help").addEventListener("click", () => byId("keys").close());
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, select, textarea");
    if (event.ctrlKey || event.altKey || event.metaKey || byId("keys").open) return;
    if (typing && !(event.key === "Escape" && typing.id === "search")) return;
    const act = Object.hasOwn(keys, event.key) ? keys[event.key] : null;
    if (!act || !viewer.active.row) return;
    event.preventDefault();
    act();
  });
  addEventListener("hashchange", () => viewer.follow());
}

async function begin() {
  try {
    const viewer = new Viewer(await unpack(0));
    bind(viewer);
    await viewer.follow();
    document.body.dataset.ready = "yes";
  } catch (error) {
    byId("problem").textContent = error.message;
  }
}

begin();
