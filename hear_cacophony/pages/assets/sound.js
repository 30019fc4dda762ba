// A sound: its spectrogram with a cursor that follows the player, the events over time, and the player.
"use strict";

(() => {
  const element = hearPages.element;

  const laneRem = 1.15;
  const thinLanesRem = 4.5;
  const mostNamed = 12; // rows with a name beside each, of events; of more the rows are thin
  // [audio URL, picture URL, seconds, what is along its time], where the last are events, {labels, reference, predicted},
  // lists of [label number, start, end] in seconds, or {labels, ends, scores, low, high}; what is not there is "".
  hearPages.drawSound = ([audioUrl, pictureUrl, seconds, below], name, base) => {
    const view = element("div", { className: "view" });
    const length = seconds || lastEnd(below); // for the time line and the cursor alike
    if (pictureUrl) view.append(element("img", { src: pictureUrl, alt: `spectrogram of ${name}`, loading: "lazy" }));
    else view.append(element("div", { className: "none", textContent: audioUrl ? "picture left out" : "no picture" }));
    const timed = element("div", { className: "timed" }, view);
    const player = element("div", { className: "player" }, timed);
    const told = below && below.scores ? element("div", { className: "told" }) : null;
    if (told) {
      view.append(drawScores(below, name, told));
      timed.append(laneNames(below.labels));
      player.append(told);
    } else if (below) {
      const used = usedLabels(below);
      const names = used.map((i) => below.labels[i]);
      const canvas = drawEvents(below, used, length);
      const lanes = laneNames(used.length > mostNamed ? [`${used.length} labels`] : names);
      if (used.length > mostNamed) pointAtRows(canvas, lanes.firstChild, names);
      view.append(canvas);
      timed.append(lanes);
    }
    if (audioUrl) player.append(makeAudio(base + audioUrl, name, view, length, told && ((time) => tellScores(below, time, told))));
    else player.append(element("div", { className: "fault", textContent: "no audio" }));
    return player;
  };

  function makeAudio(url, name, view, seconds, tell) {
    const audio = element("audio", { src: url, controls: true, preload: "none" });
    audio.setAttribute("aria-label", `play ${name}`);
    const cursor = element("div", { className: "cursor" });
    view.append(cursor);
    const length = () => seconds || audio.duration || 0;
    const follow = () => {
      cursor.style.display = "block";
      cursor.style.left = `${length() ? (100 * audio.currentTime) / length() : 0}%`;
      if (tell) tell(audio.currentTime);
      if (!audio.paused && audio.isConnected) requestAnimationFrame(follow);
    };
    audio.addEventListener("play", () => {
      document.querySelectorAll("audio").forEach((other) => { if (other !== audio) other.pause(); });
      follow();
    });
    audio.addEventListener("timeupdate", follow);
    audio.addEventListener("error", () => {
      audio.replaceWith(element("div", {
        className: "fault",
        role: "alert",
        textContent: "cannot be played: the file has moved, or this browser does not know its format",
      }));
    });
    view.addEventListener("click", (event) => {
      const place = view.getBoundingClientRect();
      const start = length() * (event.clientX - place.left) / place.width;
      audio.addEventListener("playing", () => { if (length()) audio.currentTime = start; }, { once: true });
      audio.play().catch(() => {});
    });
    return audio;
  }

  // A row to a label, the lighter the higher its score.
  const stops = [[0, 34, 78], [67, 78, 108], [125, 124, 120], [188, 174, 108], [254, 232, 56]]; // of matplotlib's cividis
  function shade(part) {
    const place = Math.min(1, Math.max(0, part)) * (stops.length - 1);
    const i = Math.min(stops.length - 2, Math.floor(place));
    return `rgb(${stops[i].map((value, k) => Math.round(value + (place - i) * (stops[i + 1][k] - value))).join(" ")})`;
  }
  function drawScores(about, name, told) {
    const { labels, ends, scores, low, high } = about;
    const lane = 20;
    const canvas = element("canvas", { width: 1200, height: lane * labels.length });
    canvas.style.height = `${laneRem * labels.length}rem`;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `scores along time of ${name}: ${inWords(about)}`);
    const pen = canvas.getContext("2d");
    const length = ends[ends.length - 1];
    labels.forEach((_, i) => {
      scores[i].forEach((score, k) => {
        const [start, end] = [k ? ends[k - 1] : 0, ends[k]].map((time) => (canvas.width * time) / length);
        pen.fillStyle = shade((score - low) / (high - low || 1));
        pen.fillRect(start, lane * i, end - start + 0.5, lane - 1);
      });
    });
    canvas.addEventListener("mousemove", (event) => {
      const place = canvas.getBoundingClientRect();
      tellScores(about, (length * (event.clientX - place.left)) / place.width, told);
    });
    tellScores(about, 0, told);
    return canvas;
  }
  // Names of rows, beside them.
  function laneNames(labels) {
    return element("div", { className: "lanes" }, ...labels.map((label) => element("div", { className: "lane", textContent: label, title: label })));
  }
  const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
  const bestAt = ({ labels, scores }, k) => labels.map((label, i) => [label, scores[i][k]]).sort((a, b) => b[1] - a[1]);
  function tellScores(about, time, told) {
    const k = Math.max(0, about.ends.findIndex((end, i) => time < end || i === about.ends.length - 1));
    told.textContent = `${clock(k ? about.ends[k - 1] : 0)} to ${clock(about.ends[k])}: `;
    bestAt(about, k).slice(0, 3).forEach(([label, score], i) => {
      told.append(i ? ", " : "", hearPages.isolated(label), ` ${score.toFixed(3)}`);
    });
  }
  // The label that is highest, from when to when.
  function inWords(about) {
    const most = 20;
    const runs = [];
    about.ends.forEach((end, k) => {
      const [label] = bestAt(about, k)[0];
      if (runs.length && runs[runs.length - 1][0] === label) runs[runs.length - 1][1] = end;
      else runs.push([label, end]);
    });
    const told = runs.slice(0, most).map(([label, end]) => `${label} until ${clock(end)}`);
    return `highest ${told.join(", then ")}${runs.length > most ? ", and so on; the excerpts are listed below" : ""}`;
  }
  // Where the last event ends: how long a sound is at least.
  const lastEnd = (below) =>
    [...(below?.reference ?? []), ...(below?.predicted ?? [])].reduce((last, [, , end]) => Math.max(last, end), 0);
  const usedLabels = ({ reference, predicted }) =>
    [...new Set([...reference, ...predicted].map(([label]) => label))].sort((a, b) => a - b);
  // A row to a label that occurs: what is so above, what was predicted below.
  function drawEvents({ labels, reference, predicted }, used, length) {
    const named = used.length <= mostNamed;
    const canvas = element("canvas", { width: 800, height: named ? 24 * used.length : 144 });
    if (named) canvas.style.height = `${laneRem * used.length}rem`;
    const told = `${reference.length} events (above, blue), ${predicted.length} predicted (below, orange): ${used.map((i) => labels[i]).join(", ")}`;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", told);
    const style = getComputedStyle(document.documentElement);
    const pen = canvas.getContext("2d");
    const lane = canvas.height / Math.max(1, used.length);
    const bars = (events, colour, offset) => {
      pen.fillStyle = style.getPropertyValue(colour);
      for (const [label, start, end] of events) {
        const x = (canvas.width * start) / length;
        pen.fillRect(x, lane * (used.indexOf(label) + offset), Math.max(2, (canvas.width * (end - start)) / length), lane * 0.4);
      }
    };
    bars(reference, "--bar", 0.06);
    bars(predicted, "--warn", 0.52);
    return canvas;
  }
  // Of thin rows the name of the one that is pointed at, or that the arrow keys have gone to, stands beside it.
  function pointAtRows(canvas, lane, labels) {
    let row = -1;
    canvas.tabIndex = 0;
    lane.setAttribute("role", "status");
    const point = (to) => {
      row = Math.min(labels.length - 1, Math.max(0, to));
      lane.textContent = lane.title = labels[row];
      lane.style.marginTop = `${((thinLanesRem - laneRem) * row) / (labels.length - 1)}rem`;
    };
    canvas.addEventListener("mousemove", (event) => {
      const place = canvas.getBoundingClientRect();
      point(Math.floor((labels.length * (event.clientY - place.top)) / place.height));
    });
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      point(row + step);
    });
  }
})();
