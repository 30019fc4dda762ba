// A sound: its spectrogram with a cursor that follows the player, the events over time, and the player.
"use strict";

(() => {
  const element = hearPages.element;

  // [audio URL, picture URL, seconds, events], where events are {labels, reference, predicted}, lists of
  // [label number, start, end] in seconds; what is not there is "".
  hearPages.drawSound = ([audioUrl, pictureUrl, seconds, events], name, base) => {
    const view = element("div", { className: "view" });
    if (pictureUrl) view.append(element("img", { src: pictureUrl, alt: `spectrogram of ${name}`, loading: "lazy" }));
    else view.append(element("div", { className: "none", textContent: "no picture" }));
    if (events) view.append(drawEvents(events, seconds));
    const player = element("div", { className: "player" }, view);
    if (audioUrl) player.append(makeAudio(base + audioUrl, name, view, seconds));
    else player.append(element("div", { className: "fault", textContent: "no audio" }));
    return player;
  };

  function makeAudio(url, name, view, seconds) {
    const audio = element("audio", { src: url, controls: true, preload: "none" });
    audio.setAttribute("aria-label", `play ${name}`);
    const cursor = element("div", { className: "cursor" });
    view.append(cursor);
    const length = () => seconds || audio.duration || 0;
    const follow = () => {
      cursor.style.display = "block";
      cursor.style.left = `${length() ? (100 * audio.currentTime) / length() : 0}%`;
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

  // Two rows to a label that occurs: what is so above, what was predicted below.
  function drawEvents({ labels, reference, predicted }, seconds) {
    const canvas = element("canvas", { width: 800, height: 144 });
    const used = [...new Set([...reference, ...predicted].map(([label]) => label))].sort((a, b) => a - b);
    const told = `${reference.length} events (filled, dark), ${predicted.length} predicted (below, pale): ${used.map((i) => labels[i]).join(", ")}`;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", told);
    canvas.title = told;
    const style = getComputedStyle(document.documentElement);
    const pen = canvas.getContext("2d");
    const lane = canvas.height / Math.max(1, used.length);
    const bars = (events, colour, offset) => {
      pen.fillStyle = style.getPropertyValue(colour);
      for (const [label, start, end] of events) {
        const x = (canvas.width * start) / seconds;
        pen.fillRect(x, lane * (used.indexOf(label) + offset), Math.max(2, (canvas.width * (end - start)) / seconds), lane * 0.4);
      }
    };
    bars(reference, "--bar", 0.06);
    bars(predicted, "--warn", 0.52);
    if (lane >= 12) {
      pen.fillStyle = style.getPropertyValue("--ink");
      pen.font = "12px sans-serif";
      used.forEach((label, i) => pen.fillText(labels[label].slice(0, 40), 4, lane * i + Math.min(lane, 22) / 2 + 5));
    }
    return canvas;
  }
})();
