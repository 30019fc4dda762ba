// Plots of plotly.js in the colours of the page.
"use strict";

(() => {
  const colours = () => {
    const style = getComputedStyle(document.documentElement);
    return Object.fromEntries(["paper", "ink", "line"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  };

  function themed(layout) {
    const { paper, ink, line } = colours();
    const made = { ...layout, paper_bgcolor: paper, plot_bgcolor: paper, font: { color: ink, size: 12, ...layout.font } };
    for (const axis of ["xaxis", "yaxis"]) {
      made[axis] = { automargin: true, gridcolor: line, zerolinecolor: line, linecolor: line, ...layout[axis] };
    }
    return { margin: { l: 60, r: 20, t: 30, b: 50 }, ...made };
  }

  function draw(figure) {
    const { data, layout, config } = JSON.parse(figure.querySelector("script").textContent);
    const place = hearPages.element("div");
    place.style.height = "100%";
    figure.append(place);
    const options = { responsive: true, displaylogo: false, showSendToCloud: false, plotlyServerURL: "", ...config };
    Plotly.newPlot(place, data, themed(layout), options);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => Plotly.react(place, data, themed(layout), options));
    return place;
  }

  hearPages.plots = [];
  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("figure.plot").forEach((figure) => hearPages.plots.push(draw(figure)));
  });
})();
