// One track to look at and listen to: the spectrogram of a chunk, its axes, and sound with a moving cursor.

"use strict";

{
  const { announce, button, element, fill, foreign, printable, ticks, time } = Explorer;

  /** The player that sounds; a second one stops it. */
  let sounding = null;

  /** Least distance of two frequencies on the axis, as a share of it. */
  const CLOSE = 0.07;
  const CLOSE_SMALL = 0.15;

  /** Without motion, the cursor moves as often as the browser reports the time: four times a second. */
  const STILL = matchMedia("(prefers-reduced-motion: reduce)");

  /** Leave out marks that others are too close to, from the top. */
  function apart(marks, least) {
    const kept = [];
    for (const mark of [...marks].sort((a, b) => b.at - a.at)) {
      if (!kept.length || kept.at(-1).at - mark.at >= least) kept.push(mark);
    }
    return kept;
  }

  class Player {
    /**
     * @param track the details of the track
     * @param view the view, with the ticks of its axis; null without one
     * @param address row → address of a picture
     * @param options.small without buttons for chunks
     * @param options.decodes whether the server can decode a file that the browser cannot play
     * @param options.moved called with the number of the chunk after another is shown
     */
    constructor(track, view, address, { small = false, decodes = true, moved = () => {} } = {}) {
      Object.assign(this, { track, view, address, decodes, moved });
      this.chunks = view?.drawn ? track.chunks : [];
      this.at = 0;
      this.length = Math.max(
        track.seconds || 0,
        ...track.chunks.map(({ start, seconds }) => start + seconds),
      );
      this.audio = element("audio", { preload: "metadata" });
      if (track.audio_url) this.audio.src = track.audio_url;
      for (const event of ["play", "pause", "ended", "volumechange"])
        this.audio.addEventListener(event, () => this.heard());
      this.audio.addEventListener("timeupdate", () => this.tick());
      this.audio.addEventListener("seeking", () => this.tick());
      this.audio.addEventListener("error", () => this.unplayable());
      this.picture = element("img", { class: "picture", draggable: "false" });
      this.picture.addEventListener("error", () => this.undrawn("this chunk cannot be drawn"));
      this.cursor = element("div", { class: "cursor", "aria-hidden": "true" });
      this.plane = element(
        "div",
        { class: "plane", on: { click: (event) => this.clicked(event) } },
        this.picture,
        this.cursor,
      );
      this.times = element("div", { class: "times", "aria-hidden": "true" });
      this.message = element("p", { class: "quiet", role: "status" });
      this.node = element(
        "div",
        { class: small ? "player small" : "player" },
        this.audio,
        this.chunks.length ? this.figure(small) : this.nothing(),
        this.controls(small),
        this.message,
      );
      if (!track.audio_url) this.silent(track.audio_message);
      this.show(0);
    }

    figure(small) {
      const marks = apart(this.view.ticks ?? [], small ? CLOSE_SMALL : CLOSE).map(({ at, text }) => {
        const mark = element("span", {}, printable(text));
        mark.style.bottom = `${100 * at}%`;
        return mark;
      });
      return element(
        "figure",
        { class: "spectrogram" },
        element("div", { class: "axis", "aria-hidden": "true" }, this.view.axis ?? ""),
        element("div", { class: "frequencies", "aria-hidden": "true" }, marks),
        this.plane,
        this.times,
        element("div", { class: "axis-time", "aria-hidden": "true" }, "time (s)"),
      );
    }

    nothing() {
      if (!this.view) return element("p", { class: "quiet" }, "The store has no view.");
      const why = this.view.drawn ? "has no rows of this track" : "holds no spectrograms";
      return element("p", { class: "quiet" }, "View ", foreign(this.view.name), ` ${why}.`);
    }

    controls(small) {
      const id = printable(this.track.id);
      this.playing = button("Play", () => this.toggle(), {
        class: "play",
        "aria-label": `Play ${id}`,
        "aria-keyshortcuts": small ? null : "Space",
      });
      this.mute = button("Mute", () => (this.audio.muted = !this.audio.muted), {
        "aria-pressed": "false",
        "aria-label": `Mute ${id}`,
      });
      this.bar = element("input", {
        type: "range",
        min: 0,
        max: this.length || 1,
        step: 0.1,
        value: 0,
        class: "seek",
        "aria-label": `Position in ${id}`,
        on: { input: () => this.seek(Number(this.bar.value)) },
      });
      this.clock = element("span", { class: "clock" });
      const parts = [this.playing, this.mute, this.bar, this.clock];
      if (small || this.chunks.length < 1) return element("div", { class: "controls" }, parts);
      this.back = button("Previous chunk", () => this.step(-1), { "aria-keyshortcuts": "[" });
      this.forth = button("Next chunk", () => this.step(1), { "aria-keyshortcuts": "]" });
      this.place = element("span", { class: "quiet place" });
      return element(
        "div",
        {},
        element("div", { class: "controls" }, parts),
        element("div", { class: "controls" }, this.back, this.forth, this.place),
      );
    }

    /** Show a chunk, counted from 0. */
    show(at) {
      this.at = Math.max(0, Math.min(at, this.chunks.length - 1));
      const chunk = this.chunks[this.at];
      if (!chunk) {
        this.tick();
        return;
      }
      const end = chunk.start + chunk.seconds;
      this.plane.classList.remove("undrawn");
      this.plane.querySelector("p")?.remove();
      this.picture.alt = `Spectrogram of ${printable(this.track.id)}, ${time(chunk.start)} to ${time(end)}`;
      if (chunk.damaged) this.undrawn("this chunk is damaged");
      else this.picture.src = this.address(chunk.row);
      const marks = ticks(chunk.start, end).map((at) => {
        const mark = element("span", {}, String(at));
        mark.style.left = `${(100 * (at - chunk.start)) / chunk.seconds}%`;
        return mark;
      });
      fill(this.times, marks);
      if (this.place) {
        fill(
          this.place,
          `chunk ${this.at + 1} of ${this.chunks.length}, ${time(chunk.start)} to ${time(end)}`,
        );
        this.back.disabled = this.at === 0;
        this.forth.disabled = this.at === this.chunks.length - 1;
      }
      const next = this.chunks[this.at + 1];
      if (next && !next.damaged) new Image().src = this.address(next.row);
      this.tick();
    }

    undrawn(why) {
      if (this.plane.classList.contains("undrawn")) return;
      this.picture.removeAttribute("src");
      this.plane.classList.add("undrawn");
      this.plane.append(element("p", {}, why));
    }

    /** Show the next or a previous chunk, and move the sound to its start. */
    step(by) {
      const at = this.at + by;
      if (at < 0 || at >= this.chunks.length) return;
      this.show(at);
      this.seek(this.chunks[at].start);
      this.moved(at);
      announce(this.place?.textContent ?? "");
    }

    /** The chunk that holds a time. */
    chunkAt(seconds) {
      const inside = ({ start, seconds: long }) => seconds >= start && seconds < start + long;
      if (this.chunks[this.at] && inside(this.chunks[this.at])) return this.at;
      const found = this.chunks.findIndex(inside);
      if (found >= 0) return found;
      return seconds < (this.chunks[0]?.start ?? 0) ? 0 : this.chunks.length - 1;
    }

    get position() {
      return this.wanted ?? this.audio.currentTime;
    }

    /** Move to a time in seconds. */
    seek(seconds) {
      const target = Math.max(0, Math.min(seconds, this.length));
      // Before a file has loaded, browsers forget the time that they are given.
      if (this.audio.readyState > 0) {
        this.audio.currentTime = target;
        this.wanted = null;
      } else {
        this.wanted = target;
        this.audio.addEventListener("loadedmetadata", () => this.loaded(), { once: true });
      }
      const here = this.chunkAt(target);
      if (this.chunks.length && here !== this.at) {
        this.show(here);
        this.moved(here);
      }
      this.tick();
    }

    loaded() {
      if (this.wanted !== null && this.wanted !== undefined) this.audio.currentTime = this.wanted;
      this.wanted = null;
    }

    clicked(event) {
      const chunk = this.chunks[this.at];
      const box = this.plane.getBoundingClientRect();
      if (chunk) this.seek(chunk.start + (chunk.seconds * (event.clientX - box.left)) / box.width);
    }

    toggle() {
      if (this.audio.paused) this.play();
      else this.pause();
    }

    play() {
      if (!this.track.audio_url || this.broken) return;
      if (sounding && sounding !== this) sounding.pause();
      sounding = this;
      this.started = true;
      this.audio.play().catch((error) => {
        // An error of the file itself is reported by its event.
        if (!["AbortError", "NotAllowedError", "NotSupportedError"].includes(error.name))
          this.silent(`the sound cannot be played (${error.message})`);
      });
    }

    pause() {
      this.started = false;
      this.audio.pause();
    }

    get isPlaying() {
      return !this.audio.paused;
    }

    heard() {
      const { paused, muted } = this.audio;
      const id = printable(this.track.id);
      this.playing.textContent = paused ? "Play" : "Pause";
      this.playing.setAttribute("aria-label", `${paused ? "Play" : "Pause"} ${id}`);
      this.mute.setAttribute("aria-pressed", String(muted));
      if (!paused && !this.running && !STILL.matches) {
        this.running = true;
        requestAnimationFrame(() => this.run());
      }
    }

    /** Move the cursor in every frame while the sound plays. */
    run() {
      this.running = !this.audio.paused && this.node.isConnected;
      this.tick();
      if (this.running) requestAnimationFrame(() => this.run());
    }

    tick() {
      const now = this.position;
      const here = this.chunkAt(now);
      if (this.isPlaying && this.chunks.length && here !== this.at) {
        this.show(here);
        this.moved(here);
        return;
      }
      if (!this.bar) return;
      this.bar.value = String(now);
      this.bar.setAttribute("aria-valuetext", `${time(now)} of ${time(this.length)}`);
      this.clock.textContent = `${time(now)} / ${time(this.length)}`;
      const chunk = this.chunks[this.at];
      const share = chunk ? (now - chunk.start) / chunk.seconds : -1;
      this.cursor.hidden = !(share >= 0 && share <= 1);
      this.cursor.style.left = `${100 * share}%`;
    }

    /** Ask for decoded samples once, as the browser cannot play the file itself. */
    unplayable() {
      const { audio } = this;
      if (!audio.hasAttribute("src")) return; // the player was closed
      if (this.decoded || !this.decodes) {
        this.silent();
        return;
      }
      this.decoded = true;
      const [position, playing] = [this.position, this.started];
      audio.src = `${this.track.audio_url}?decode=1`;
      if (position) this.seek(position);
      if (playing) this.play();
    }

    silent(why = "") {
      this.broken = true;
      for (const control of [this.playing, this.mute, this.bar]) if (control) control.disabled = true;
      if (this.message)
        fill(this.message, printable(why || "The sound of this track cannot be played here."));
    }

    /** End the sound and the requests for it. */
    close() {
      this.audio.pause();
      this.audio.removeAttribute("src");
      this.audio.load();
      if (sounding === this) sounding = null;
    }
  }

  Object.assign(Explorer, { Player });
}
