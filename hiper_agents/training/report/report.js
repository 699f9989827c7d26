// Shows the numbers of a chart under the pointer. Everything is set as text, never as markup.
"use strict";

function nearest(values, wanted) {
  let low = 0, high = values.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (values[middle] < wanted) low = middle; else high = middle;
  }
  return wanted - values[low] < values[high] - wanted ? low : high;
}

function written(value, shares) {
  if (value === null) return "-";
  if (shares) return (100 * value).toFixed(1) + " %";
  return Number(value.toPrecision(3)).toLocaleString("en");
}

function part(kind, text, parent) {
  const made = document.createElement(kind);
  made.textContent = text;
  parent.append(made);
  return made;
}

for (const plot of document.querySelectorAll(".plot")) {
  const data = plot.dataset, places = JSON.parse(data.x), series = JSON.parse(data.series);
  const left = Number(data.left), span = Number(data.right) - left, shares = data.shares === "yes";
  const line = part("div", "", plot), tip = part("div", "", plot);
  line.className = "cross";
  tip.className = "tip";

  plot.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect();
    const at = nearest(places, left + span * (event.clientX - box.left) / box.width);
    const share = (places[at] - left) / span;
    line.style.left = tip.style.left = 100 * share + "%";
    tip.style.transform = share > 0.5 ? "translateX(calc(-100% - 8px))" : "translateX(8px)";
    tip.replaceChildren();
    const unit = data.unit === "turn" ? "turn " + places[at]
      : Number(places[at].toPrecision(4)).toLocaleString("en") + " " + data.unit;
    part("div", unit, tip);
    for (const [name, color, values] of series) {
      const row = part("div", "", tip);
      part("i", "", row).className = "swatch c" + color;
      part("span", name, row);
      part("b", written(values[at], shares), row);
    }
    plot.classList.add("on");
  });
  plot.addEventListener("pointerleave", () => plot.classList.remove("on"));
}
