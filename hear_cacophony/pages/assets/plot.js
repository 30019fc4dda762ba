// Plots of plotly.js in the colours of the page.
"use strict";

(() => {
  const colours = () => {
    const style = getComputedStyle(document.documentElement);
    return Object.fromEntries(["paper", "ink", "pale", "line"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  };

  // On a phone a legend beside a plot would leave it no room: it goes below.
  const narrow = matchMedia("(max-width: 40rem)");
  const below = { orientation: "h", x: 0, xanchor: "left", y: -0.32, yanchor: "top", maxheight: 140, font: { size: 10 } };

  function themed(layout) {
    const { paper, ink, pale, line } = colours();
    const made = { ...layout, paper_bgcolor: paper, plot_bgcolor: paper, font: { color: ink, size: 12, ...layout.font } };
    for (const axis of ["xaxis", "yaxis"]) {
      made[axis] = { automargin: true, gridcolor: line, zerolinecolor: line, linecolor: line, ...layout[axis] };
    }
    if (narrow.matches) made.legend = { ...layout.legend, ...below };
    made.modebar = { color: pale, activecolor: ink, bgcolor: paper };
    return { margin: { l: 60, r: 20, t: 30, b: 50 }, ...made };
  }

  // plotly.js is large: it is loaded when the first plot is about to be seen.
  let loaded = null;
  function load() {
    loaded ??= new Promise((resolve, reject) => {
      const script = hearPages.element("script", { src: `${document.body.dataset.files}/plotly.min.js` });
      script.addEventListener("load", resolve);
      script.addEventListener("error", () => reject(new Error("plotly.min.js is not there; was the folder copied whole?")));
      document.body.append(script);
    });
    return loaded;
  }

  async function draw(figure, place) {
    const { data, layout, config } = JSON.parse(figure.querySelector("script").textContent);
    place.textContent = "drawing ...";
    try {
      await load();
    } catch (error) {
      place.textContent = error.message;
      return null;
    }
    place.textContent = "";
    const options = { responsive: true, displaylogo: false, showSendToCloud: false, plotlyServerURL: "", ...config };
    await Plotly.newPlot(place, data, themed(layout), options);
    reachByKeyboard(place);
    for (const change of [matchMedia("(prefers-color-scheme: dark)"), narrow]) {
      change.addEventListener("change", () => Plotly.react(place, data, themed(layout), options));
    }
    return place;
  }

  // plotly.js has its tools and its legend for the mouse alone.
  const tools = ".modebar-btn";
  const entries = ".legendtoggle";
  function reachByKeyboard(place) {
    const name = () => {
      for (const each of place.querySelectorAll(`${tools}, ${entries}`)) {
        const title = each.dataset.title ?? each.parentNode.querySelector(".legendtext")?.textContent ?? "";
        each.setAttribute("tabindex", "0");
        each.setAttribute("role", "button");
        each.setAttribute("aria-label", each.matches(entries) ? `show or hide ${title}` : title);
      }
    };
    name();
    place.on("plotly_afterplot", name);
    place.addEventListener("keydown", (event) => {
      if (!["Enter", " "].includes(event.key) || !event.target.matches(`${tools}, ${entries}`)) return;
      event.preventDefault();
      const kinds = event.target.matches(tools) ? ["click"] : ["mousedown", "mouseup"];
      for (const kind of kinds) event.target.dispatchEvent(new MouseEvent(kind, { bubbles: true, view: window }));
    });
  }
  function drawWhenSeen(figure, place) {
    return new Promise((resolve) => {
      const watcher = new IntersectionObserver((entries) => {
        if (!entries.some((entry) => entry.isIntersecting)) return;
        watcher.disconnect();
        resolve(draw(figure, place));
      }, { rootMargin: "300px" });
      watcher.observe(figure);
    });
  }

  // The places of plots in the order of the page, and promises of them that are kept when they have been drawn.
  hearPages.plots = [];
  hearPages.drawn = [];
  document.addEventListener("DOMContentLoaded", () => {
    for (const figure of document.querySelectorAll("figure.plot")) {
      const place = hearPages.element("div");
      place.style.height = "100%";
      figure.append(place);
      hearPages.plots.push(place);
      hearPages.drawn.push(drawWhenSeen(figure, place));
    }
  });
})();
