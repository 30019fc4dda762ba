// A map: its points play when they are pointed at or reached by keyboard; an area that is chosen is shown in the list.
"use strict";

// Many points are drawn with WebGL, which smooths their edges itself: a browser without a GPU is to draw no edges twice.
const getContext = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function(kind, attributes) {
  return getContext.call(this, kind, kind.includes("webgl") ? { ...attributes, antialias: false } : attributes);
};

document.addEventListener("DOMContentLoaded", async () => {
  const { element, isolated } = hearPages;
  const place = await hearPages.drawn[0];
  if (place === null) return;
  const table = [...hearPages.tables.values()][0];
  const figure = place.closest("figure");
  const delay = 120; // milliseconds that a point is pointed at before it plays
  const cone = 2; // how much farther to the side a point counts than ahead, for the arrow keys

  const name = element("span", { className: "current", textContent: "nothing yet" });
  name.setAttribute("role", "status");
  const audio = element("audio", { controls: true, preload: "none" });
  audio.setAttribute("aria-label", "play the sound that was pointed at");
  const hear = element("input", { type: "checkbox", checked: true });
  const tools = element("div", { className: "tools map-tools" },
    audio, name, element("label", {}, hear, " play what is pointed at"),
    button("copy names", copyNames), button("save names as CSV", saveNames), button("show all", () => choose(null)));
  figure.before(tools);

  function button(text, action) {
    const made = element("button", { type: "button", textContent: text });
    made.addEventListener("click", action);
    return made;
  }

  // Sounds

  let waiting = 0;

  function show(row, play) {
    const [file, colour] = table.rows[row];
    name.replaceChildren(isolated(file[0]));
    if (colour !== null && colour !== undefined) name.append(" (", isolated(String(colour)), ")");
    clearTimeout(waiting);
    audio.pause();
    if (!file[1]) { name.append(": no audio"); return; }
    if (audio.dataset.url !== file[1]) { audio.src = file[1]; audio.dataset.url = file[1]; }
    if (!play) return;
    waiting = setTimeout(() => {
      audio.currentTime = span()[0];
      audio.play().catch((error) => {
        if (error.name === "NotAllowedError") name.append(": click on the page once to let it play");
      });
    }, delay);
  }

  // Where a point begins and ends in its file, in seconds.
  function span() {
    const part = /#t=([\d.]+),([\d.]+)$/.exec(audio.dataset.url);
    return part ? [Number(part[1]), Number(part[2])] : [0, Infinity];
  }
  audio.addEventListener("timeupdate", () => { if (audio.currentTime > span()[1]) audio.pause(); });
  audio.addEventListener("error", () => {
    name.append(": cannot be played: the file has moved, or this browser does not know its format");
  });

  place.on("plotly_hover", ({ points }) => { if (known(points[0].customdata)) show(points[0].customdata, hear.checked); });
  place.on("plotly_unhover", () => { clearTimeout(waiting); if (hear.checked) audio.pause(); });
  place.on("plotly_click", ({ points }) => { if (known(points[0].customdata)) { show(points[0].customdata, true); go(points[0].customdata); } });

  const known = (row) => Number.isInteger(row) && row < table.rows.length;

  // Choosing an area

  place.on("plotly_selecting", () => figure.classList.add("chosen"));
  place.on("plotly_selected", (event) => {
    if (event) choose(new Set(event.points.map((point) => point.customdata).filter(known)));
  });
  place.on("plotly_deselect", () => choose(null));

  function choose(rows) {
    figure.classList.toggle("chosen", rows !== null);
    table.only = rows;
    table.box.scrollTop = 0;
    table.order();
    if (rows === null) Plotly.restyle(place, { selectedpoints: null });
  }

  const shownNames = () => table.chosen.map((row) => table.rows[row][0][0]);

  async function copyNames() {
    const names = shownNames();
    const text = names.join("\n");
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const field = element("textarea", { value: text });
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    name.textContent = `${names.length} names copied`;
  }

  function saveNames() {
    const quoted = (text) => `"${String(text ?? "").replaceAll('"', '""')}"`;
    const rows = [table.columns.map((column) => column.title), ...table.chosen.map((row) => [table.rows[row][0][0], table.rows[row][1]])];
    const text = rows.map((row) => row.map(quoted).join(",")).join("\r\n");
    const link = element("a", { href: URL.createObjectURL(new Blob([text, "\r\n"], { type: "text/csv" })), download: "sounds.csv" });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    name.textContent = `${table.chosen.length} names saved as sounds.csv`;
  }

  // The keyboard

  let current = null; // [x, y, row]
  const marks = place.data.length;
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

  const ink = () => getComputedStyle(document.documentElement).getPropertyValue("--ink").trim();
  Plotly.addTraces(place, {
    type: place.data[0].type, mode: "markers", x: [], y: [], hoverinfo: "skip", showlegend: false,
    marker: { size: 18, symbol: "circle-open", color: ink(), line: { width: 3 } },
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => Plotly.restyle(place, { "marker.color": ink() }, [marks]));

  function points() {
    return place.data.slice(0, marks).flatMap((trace) => {
      if (trace.visible === "legendonly") return [];
      return Array.from(trace.customdata, (row, i) => [trace.x[i], trace.y[i], row]);
    });
  }

  function go(row) {
    current = points().find((point) => point[2] === row) ?? current;
    if (current) Plotly.restyle(place, { x: [[current[0]]], y: [[current[1]]] }, [marks]);
  }

  function next([right, up]) {
    let best = null;
    let least = Infinity;
    for (const point of points()) {
      const [dx, dy] = [point[0] - current[0], point[1] - current[1]];
      const ahead = dx * right + dy * up;
      const aside = Math.abs(dx * up - dy * right);
      const far = ahead + cone * aside;
      if (ahead > 0 && ahead >= aside && far < least) { best = point; least = far; }
    }
    return best;
  }

  // About the current point, or the middle.
  function zoom(factor) {
    const ranges = {};
    ["xaxis", "yaxis"].forEach((axis, i) => {
      const [low, high] = place._fullLayout[axis].range;
      const centre = current ? current[i] : (low + high) / 2;
      ranges[`${axis}.range`] = [centre + (low - centre) * factor, centre + (high - centre) * factor];
    });
    Plotly.relayout(place, ranges);
  }
  // An area by keyboard: a rectangle between two points that the arrow keys have gone to.
  let corner = null;
  function beginArea() {
    corner = current;
    drawArea();
    name.textContent = "the area begins here: go on with the arrow keys, and end it with the space bar";
  }
  const between = (value, a, b) => Math.min(a, b) <= value && value <= Math.max(a, b);
  function drawArea() {
    const line = { color: ink(), width: 2, dash: "dot" };
    Plotly.relayout(place, { shapes: [{ type: "rect", x0: corner[0], y0: corner[1], x1: current[0], y1: current[1], line }] });
  }
  function chooseArea() {
    const inside = ([x, y]) => between(x, corner[0], current[0]) && between(y, corner[1], current[1]);
    const rows = new Set(points().filter(inside).map((point) => point[2]));
    endArea();
    choose(rows);
    const selected = place.data.slice(0, marks).map((trace) => trace.customdata.flatMap((row, i) => (rows.has(row) ? [i] : [])));
    Plotly.restyle(place, { selectedpoints: selected }, selected.map((_, i) => i));
    name.textContent = `${rows.size} points chosen; the list has them`;
  }
  function endArea() {
    corner = null;
    Plotly.relayout(place, { shapes: [] });
  }
  figure.tabIndex = 0;
  figure.addEventListener("keydown", (event) => {
    if (event.target !== figure || event.ctrlKey || event.altKey || event.metaKey) return;
    const all = points();
    if (!all.length || !known(all[0][2])) return;
    if (event.key in steps || event.key === "Home") {
      const found = current === null || event.key === "Home" ? all[0] : next(steps[event.key]);
      if (found) { go(found[2]); show(found[2], hear.checked); }
      if (corner && found) drawArea();
    } else if (event.key === "Enter" && current) {
      show(current[2], true);
    } else if (event.key === " " && current) {
      if (corner) chooseArea();
      else beginArea();
    } else if (["+", "=", "-"].includes(event.key)) {
      zoom(event.key === "-" ? 1.25 : 0.8);
    } else if (event.key === "Escape") {
      audio.pause();
      endArea();
      choose(null);
    } else {
      return;
    }
    event.preventDefault();
  });
});
