// Filters and sorts the rankings. Everything stands in the page already: rows are hidden and moved,
// and the one text that is set, is set as text.
"use strict";

const control = (id) => document.getElementById(id);
const boards = [...document.querySelectorAll(".board")];
const tables = [...document.querySelectorAll(".ranking")];
const chosen = { column: 0, falling: false };

function compare(text, falling) {
  return (one, two) => {
    const [a, b] = [one, two].map((row) => row.cells[chosen.column].dataset.v);
    // Rows without a value come last, whichever way round.
    if (a === "" || b === "") return (a === "") - (b === "");
    const order = text ? (a < b ? -1 : a > b ? 1 : 0) : Number(a) - Number(b);
    return falling ? -order : order;
  };
}

// The order in which the page came: by success, with quoted figures among the runs.
const given = new Map(tables.flatMap((table) => [...table.rows].map((row, place) => [row, place])));

function sort() {
  for (const table of tables) {
    const heading = table.tHead.rows[0].cells[chosen.column];
    const order = compare("text" in heading.dataset, chosen.falling);
    const first = chosen.column === 0 && !chosen.falling;
    for (const body of table.tBodies) {
      const rows = [...body.rows].sort((a, b) =>
        (first ? 0 : order(a, b)) || given.get(a) - given.get(b));
      body.append(...rows);
    }
    for (const cell of table.tHead.rows[0].cells) cell.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", chosen.falling ? "descending" : "ascending");
  }
}

function choose(column, falling) {
  Object.assign(chosen, { column, falling });
  if (control("sort")) control("sort").value = String(column);
  sort();
}

function matches(row, words) {
  const text = row.cells[1].textContent.toLowerCase();
  return words.every((word) => text.includes(word));
}

function filter() {
  const panel = control("panel").value, type = control("type").value;
  const words = control("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const quoted = control("quoted")?.checked ?? false;
  let shown = 0, all = 0;
  for (const board of boards) {
    const bodies = [...board.querySelectorAll(".ranking > tbody")];
    const body = bodies.find((each) => each.dataset.type === type);
    board.hidden = !body || (panel !== "all" && board.dataset.panel !== panel);
    for (const each of bodies) each.hidden = each !== body;
    const note = board.querySelector(".quoting");
    if (note) note.hidden = !quoted || type !== "all";
    if (board.hidden) continue;
    for (const row of body.rows) {
      row.hidden = (row.classList.contains("quoted") && !quoted) || !matches(row, words);
      all += 1;
      shown += !row.hidden;
    }
  }
  for (const row of document.querySelectorAll(".others tbody tr")) row.hidden = !matches(row, words);
  control("count").textContent = shown === all ? "" : shown + " of " + all + " rows";
}

for (const table of tables) {
  [...table.tHead.rows[0].cells].forEach((cell, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...cell.childNodes);
    cell.append(button);
    button.addEventListener("click", () => {
      const same = chosen.column === column;
      choose(column, same ? !chosen.falling : "falling" in cell.dataset);
    });
  });
}
if (control("filters")) {
  control("filters").hidden = false;
  for (const id of ["panel", "type", "search", "quoted"]) control(id)?.addEventListener("input", filter);
  control("sort").addEventListener("input", (event) => {
    const column = Number(event.target.value);
    choose(column, "falling" in tables[0].tHead.rows[0].cells[column].dataset);
  });
  // A browser keeps what was typed when it goes back to a page.
  filter();
}
if (tables.length) choose(0, false);
