// Tables of many rows: their data come in scripts beside the page, and only rows that are seen are drawn.
"use strict";

const hearPages = (() => {
  const tables = new Map();
  const columnRems = { number: 7, bar: 9, link: 14, labels: 11, ranked: 17, sound: 20, text: 11 };
  const spare = 4; // rows drawn above and below those that are seen, so that the keyboard finds the next one

  function element(name, properties = {}, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  // A text beside others, which it does not turn where it is written from right to left.
  const isolated = (text) => element("bdi", { textContent: text });

  function labelOf(column, value) {
    return typeof value === "number" ? column.labels[value] : value;
  }

  function barred(name, value, digits) {
    const bar = element("div", { className: "bar" }, element("span"));
    bar.firstChild.style.width = `${100 * Math.min(1, Math.max(0, value))}%`;
    bar.setAttribute("aria-hidden", "true");
    const shown = element("span", { className: "value", textContent: value.toFixed(digits) });
    if (name === null) return element("div", { className: "barred alone" }, bar, shown);
    return element("div", { className: "barred" }, element("span", { className: "name", textContent: name, title: name }), bar, shown);
  }

  function clipped(text) {
    return element("div", { className: "clip", textContent: text, title: text });
  }

  const draw = {
    text: (column, value) => clipped(String(labelOf(column, value))),
    number: (column, value) => document.createTextNode(Array.isArray(value) ? value[1] : formatted(column, value)),
    bar: (column, value) => barred(null, value, column.digits),
    link: (column, value) => !value[1] ? clipped(value[0]) : element("a", { href: value[1], textContent: value[0], title: value[0] }),
    labels: (column, value) => {
      const made = clipped(value.map((each) => labelOf(column, each)).join(", "));
      made.replaceChildren(...value.flatMap((each, i) => [i ? ", " : "", isolated(labelOf(column, each))]));
      return made;
    },
    ranked: (column, value) => element("div", {}, ...value.map(([label, p]) => barred(labelOf(column, label), p, column.digits))),
    sound: (column, value, name) => hearPages.drawSound(value, name, column.base),
  };

  function formatted(column, value) {
    return Number.isInteger(value) && column.digits === 0 ? value.toLocaleString("en") : value.toFixed(column.digits);
  }

  // What a cell is sorted by.
  function keyOf(column, value) {
    if (value === null || value === undefined) return null;
    switch (column.kind) {
      case "number": return Array.isArray(value) ? value[0] : value;
      case "bar": return value;
      case "link": return value[0].toLowerCase();
      case "labels": return value.map((each) => labelOf(column, each)).join(", ").toLowerCase();
      case "ranked": return value.length ? value[0][1] : null;
      case "sound": return value[2];
      default: return String(labelOf(column, value)).toLowerCase();
    }
  }

  // What a cell is found by.
  function textOf(column, value) {
    if (value === null || value === undefined) return "";
    switch (column.kind) {
      case "link": return value[0];
      case "labels": return value.map((each) => labelOf(column, each)).join(" ");
      case "ranked": return value.map(([label]) => labelOf(column, label)).join(" ");
      case "text": return String(labelOf(column, value));
      case "number": return Array.isArray(value) ? value[1] : "";
      default: return "";
    }
  }

  class Table {
    constructor(section) {
      this.about = JSON.parse(section.querySelector("script").textContent);
      this.columns = this.about.columns;
      this.rows = [];
      this.chunks = [];
      this.drawn = new Map();
      this.sorting = this.about.sort;
      this.rowPixels = this.about.height * parseFloat(getComputedStyle(document.documentElement).fontSize);
      this.build(section, section.getAttribute("aria-label"));
      tables.set(this.about.name, this);
      this.load(0);
      new ResizeObserver(() => this.show()).observe(this.box);
      this.order();
    }

    build(section, caption) {
      this.status = element("span", { role: "status" });
      const search = element("input", { type: "search", placeholder: "search" });
      search.setAttribute("aria-label", `search: ${caption}`);
      search.addEventListener("input", () => { this.wanted = search.value.toLowerCase(); this.order(); this.box.scrollTop = 0; });
      const tools = element("div", { className: "tools" }, search, this.status);
      const few = this.about.count < 8;
      if (few) search.hidden = true;
      const widths = this.columns.map((column) => columnRems[column.kind] * (column.wide ? 2 : 1));
      const head = element("tr", {}, ...this.columns.map((column, i) => this.headCell(column, i, widths[i])));
      head.setAttribute("aria-rowindex", "1");
      this.body = element("tbody");
      this.table = element("table", {}, element("thead", {}, head), this.body);
      this.table.setAttribute("aria-label", caption);
      this.table.style.setProperty("--lines", Math.max(1, Math.floor(this.about.height / 1.35)));
      this.table.setAttribute("aria-rowcount", this.about.count + 1);
      this.table.style.minWidth = `${widths.reduce((a, b) => a + b, 0)}rem`;
      this.box = element("div", { className: "rows", tabIndex: 0 }, this.table);
      this.box.setAttribute("role", "region");
      this.box.setAttribute("aria-label", caption);
      this.box.addEventListener("scroll", () => requestAnimationFrame(() => this.show()), { passive: true });
      const end = element("div", { tabIndex: -1 });
      const skip = element("button", { type: "button", className: "skip", textContent: "past the rows", hidden: few });
      skip.addEventListener("click", () => end.focus());
      section.append(tools, skip, this.box, end);
      this.above = this.spacer();
      this.below = this.spacer();
      this.body.append(this.above, this.below);
    }

    spacer() {
      const row = element("tr", { className: "spacer" }, element("td", { colSpan: this.columns.length }));
      row.setAttribute("aria-hidden", "true");
      return row;
    }

    headCell(column, i, width) {
      const button = element("button", { type: "button", textContent: column.title });
      button.addEventListener("click", () => this.sortBy(i));
      const cell = element("th", { scope: "col", className: column.kind }, button);
      cell.style.width = `${width}rem`;
      return cell;
    }

    // Largest numbers first, texts from a on; the other way at the second press.
    sortBy(i) {
      const numbers = ["number", "bar", "ranked", "sound"].includes(this.columns[i].kind);
      this.sorting = this.sorting && this.sorting[0] === i ? [i, !this.sorting[1]] : [i, numbers];
      this.order();
      this.box.scrollTop = 0;
    }

    load(number) {
      if (number >= this.about.chunks.length) return;
      const script = element("script", { src: this.about.chunks[number] });
      script.addEventListener("load", () => { script.remove(); this.load(number + 1); });
      script.addEventListener("error", () => { this.status.textContent = `${this.about.chunks[number]}: not there; was the folder copied whole?`; });
      document.body.append(script);
    }

    take(number, rows) {
      for (const row of rows) this.rows.push(row);
      this.order();
    }

    order() {
      let chosen = this.rows.map((_, i) => i);
      if (this.only) chosen = chosen.filter((i) => this.only.has(i)); // a set of rows that another script has chosen
      if (this.wanted) {
        chosen = chosen.filter((i) => this.columns.some((column, c) => textOf(column, this.rows[i][c]).toLowerCase().includes(this.wanted)));
      }
      if (this.sorting) {
        const [c, descending] = this.sorting;
        const keys = this.rows.map((row) => keyOf(this.columns[c], row[c]));
        const sign = descending ? -1 : 1;
        chosen.sort((a, b) => compare(keys[a], keys[b], sign) || a - b);
      }
      this.chosen = chosen;
      this.table.querySelectorAll("th").forEach((cell, i) => {
        const how = this.sorting && this.sorting[0] === i ? (this.sorting[1] ? "descending" : "ascending") : "none";
        cell.setAttribute("aria-sort", how);
      });
      const all = this.about.count;
      const loaded = this.rows.length < all ? `, ${this.rows.length.toLocaleString("en")} loaded` : "";
      const shown = chosen.length === all ? `${all.toLocaleString("en")} rows` : `${chosen.length.toLocaleString("en")} of ${all.toLocaleString("en")} rows`;
      this.status.textContent = shown + loaded;
      for (const place of this.drawn.keys()) this.drop(place);
      this.show();
    }

    // Draw the rows that are seen, and remove others, but for the one that plays or has the focus.
    show() {
      const height = this.rowPixels;
      const first = Math.max(0, Math.floor(this.box.scrollTop / height) - spare);
      const last = Math.min(this.chosen.length, Math.ceil((this.box.scrollTop + this.box.clientHeight) / height) + spare);
      for (const [place, row] of this.drawn) {
        const playing = [...row.querySelectorAll("audio")].some((audio) => !audio.paused);
        if ((place < first || place >= last) && !playing && !row.contains(document.activeElement)) this.drop(place);
      }
      for (let place = first; place < last; place++) {
        if (!this.drawn.has(place)) this.drawn.set(place, this.drawRow(place));
      }
      const places = [...this.drawn.keys()].sort((a, b) => a - b);
      let after = this.above;
      let before = 0;
      for (const place of places) {
        const row = this.drawn.get(place);
        if (after.nextSibling !== row) after.after(row);
        if (place < first) before += 1;
        after = row;
      }
      const kept = places.filter((place) => place >= last).length;
      this.above.style.height = `${(first - before) * height}px`;
      this.below.style.height = `${(this.chosen.length - last - kept) * height}px`;
    }

    drop(place) {
      const row = this.drawn.get(place);
      row.querySelectorAll("audio").forEach((audio) => audio.pause()); // it would go on without its row
      row.remove();
      this.drawn.delete(place);
    }

    drawRow(place) {
      const values = this.rows[this.chosen[place]];
      const named = this.columns.findIndex((column) => column.kind === "text" || column.kind === "link");
      const name = named < 0 ? "" : textOf(this.columns[named], values[named]);
      const cells = this.columns.map((column, i) => {
        const cell = element("td", { className: column.kind });
        if (values[i] !== null && values[i] !== undefined) cell.append(draw[column.kind](column, values[i], name));
        return cell;
      });
      const row = element("tr", {}, ...cells);
      row.setAttribute("aria-rowindex", place + 2);
      row.style.height = `${this.rowPixels}px`;
      return row;
    }
  }

  // Cells without a value come last, whichever way.
  function compare(a, b, sign) {
    if (a === null || b === null) return (a === null) - (b === null);
    return a < b ? -sign : a > b ? sign : 0;
  }

  return {
    element,
    isolated,
    tables,
    take(name, number, rows) { tables.get(name).take(number, rows); },
    redraw() { tables.forEach((table) => table.order()); },
    start() { document.querySelectorAll("section.table").forEach((section) => new Table(section)); },
  };
})();

document.addEventListener("DOMContentLoaded", () => hearPages.start());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => hearPages.redraw());
