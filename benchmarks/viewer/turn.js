// Fourth part: one turn, its line and what is in it.

function block(label, content) {
  return make("section", { class: "part" }, make("h4", {}, label), content);
}

// Opens to something that is made when it is first seen.
function folded(label, part, open, content) {
  const made = make("details", { "data-part": part, open }, make("summary", {}, label));
  const fill = () => { if (made.open && made.childElementCount === 1) made.append(content()); };
  made.addEventListener("toggle", fill);
  fill();
  return made;
}

// The button of a turn: what was done, and what came of it.
function turnLine(turn, number) {
  const marks = [];
  if (turn.format_valid === false) marks.push(make("span", { class: "mark bad" }, "malformed"));
  else if (turn.action_valid === false) {
    marks.push(make("span", { class: "mark bad" }, "not admissible"));
  }
  if (turn.reward) {
    marks.push(make("span", { class: "mark " + (turn.reward > 0 ? "good" : "bad") },
      "reward " + written(turn.reward, true)));
  }
  const did = turn.format_valid === false ? turn.format_error : turn.action;
  return [
    make("span", { class: "number" }, String(number)),
    make("code", {}, did || "nothing"),
    make("span", { class: "marked" }, marks),
  ];
}

function turnBody(turn, content) {
  return make("div", { class: "inside" },
    make("div", { class: "texts" },
      block("Observation", make("p", { class: "text" }, turn.observation || "nothing")),
      turn.thought ? block("Thought", make("p", { class: "text thought" }, turn.thought)) : null,
      block("Wrote", decision(turn)),
      turn.output === undefined ? null
        : folded("Output, unchanged", "output", turn.format_valid === false,
          () => make("pre", { tabindex: "0" }, turn.output || "(nothing)")),
      admissibleOf(turn, content)),
    make("div", { class: "figures" }, creditOf(turn), factsOf(turn), moreOf(turn)));
}

function decision(turn) {
  const line = make("p", { class: "decision" });
  if (turn.format_valid === false) {
    line.append(make("span", { class: "chip bad" }, "malformed"),
      make("span", {}, turn.format_error), make("span", { class: "muted" },
        "The world was left as it is, and the turn was spent."));
    return line;
  }
  if (turn.switch !== null) {
    line.append(make("span", { class: "chip " + (turn.switch ? "on" : "") },
      turn.switch ? "SWITCH" : "KEEP"));
  }
  const subgoal = turn.subgoal === undefined ? null : turn.subgoal;
  if (subgoal !== null) line.append(make("span", { class: "subgoal" }, subgoal));
  line.append(make("code", { class: "did" }, turn.action));
  if (turn.action_valid !== undefined) {
    line.append(make("span", { class: turn.action_valid ? "good" : "bad" },
      turn.action_valid ? "✓ admissible" : "✗ not admissible"));
  }
  return line;
}

function admissibleOf(turn, content) {
  if (turn.admissible === undefined) return null;
  const actions = content.admissible[turn.admissible];
  return folded("Admissible actions (" + actions.length + ")", "admissible", false,
    () => make("ul", { class: "actions" }, actions.map((action) => make("li",
      { class: action === turn.action ? "taken" : null }, make("code", {}, action)))));
}

function creditOf(turn) {
  if (!turn.values && !turn.advantages) return null;
  const line = (name, triple, signed) => make("tr", {}, make("th", { scope: "row" }, name),
    HEADS.map((_, head) => make("td", { title: signed && head === 1 && triple[head] === null
      ? "no subgoal was chosen in this turn" : null }, aligned(triple[head], signed))));
  return make("table", { class: "credit" },
    make("thead", {}, make("tr", {}, make("td"), ["low", "high", "switch"].map((name, head) =>
      make("th", { scope: "col", title: HEADS[head] },
        make("i", { class: "swatch c" + head }), name)))),
    make("tbody", {},
      turn.values ? line("value", turn.values, false) : null,
      turn.advantages ? line("advantage", turn.advantages, true) : null));
}

function factsOf(turn) {
  const [read, wrote] = turn.tokens || [];
  const facts = [
    ["reward", turn.reward === undefined ? null : written(turn.reward)],
    ["score", turn.score === undefined ? null : written(turn.score)],
    ["turn of the option", turn.option_step === undefined ? null : String(turn.option_step + 1)],
    ["option closed", turn.closed ? plural(turn.closed[0], "turn") + ", return "
      + written(turn.closed[1]) : null],
    ["time", typeof turn.seconds === "number" ? duration(turn.seconds) : null],
    ["tokens read", typeof read === "number" ? read.toLocaleString("en") : null],
    ["tokens written", typeof wrote === "number" ? wrote.toLocaleString("en") : null],
  ].filter(([, value]) => value !== null);
  return facts.length ? pairs(facts) : null;
}

function moreOf(turn) {
  if (!turn.more || !turn.more.length) return null;
  return folded("More", "more", false, () => pairs(turn.more));
}

function pairs(facts) {
  return make("dl", { class: "facts" }, facts.map(([name, value]) =>
    make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}
