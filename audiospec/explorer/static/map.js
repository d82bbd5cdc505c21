// The map: each track a point, coloured and shaped by its label. The table shows the same tracks to the keyboard.

"use strict";

{
  const { button, change, colour, count, element, failure, fill, foreign, mark, printable, sample } =
    Explorer;

  /** Milliseconds between two questions while the map is computed. */
  const AGAIN = 1000;
  /** With more points, each is a dot, as shapes cannot be told apart and take long to draw. */
  const MOST_SHAPES = 20000;
  /** Most labels in the legend. */
  const MOST_NAMED = 60;
  /** Pixels around the pointer in which a point is meant. */
  const NEAR = 12;
  const DARK = matchMedia("(prefers-color-scheme: dark)");

  class TrackMap {
    /**
     * @param host the element to fill
     * @param data where the map comes from
     * @param open called with the number of a track
     */
    constructor(host, data, open) {
      Object.assign(this, { host, data, open });
      this.hidden = new Set();
      this.zoom = { scale: 1, x: 0, y: 0 };
      this.canvas = element("canvas", { role: "img", class: "map-canvas" });
      this.tip = element("p", { class: "tip", role: "status" });
      this.message = element("p", { class: "quiet" });
      this.legend = element("div", { class: "legend", role: "group", "aria-label": "Labels" });
      const method = (name, title) =>
        button(title, () => change({ method: name }, { step: true }), { "data-method": name });
      this.methods = [method("pca", "PCA"), method("umap", "UMAP")];
      this.body = element(
        "div",
        {},
        element(
          "div",
          { class: "controls" },
          this.methods,
          button("Zoom in", () => this.scale(1.5)),
          button("Zoom out", () => this.scale(1 / 1.5)),
          button("Show all", () => this.reset()),
        ),
        this.message,
        this.canvas,
        this.tip,
        this.legend,
        element(
          "p",
          { class: "quiet" },
          "Drag to move, turn the wheel to zoom, click a point to open its track. The table lists the same tracks for the keyboard.",
        ),
      );
      fill(host, element("h2", {}, "Map of tracks"), this.body);
      this.listen();
    }

    listen() {
      const { canvas } = this;
      new ResizeObserver(() => this.soon()).observe(canvas);
      DARK.addEventListener("change", () => this.points && this.shown(this.drawn));
      canvas.addEventListener(
        "wheel",
        (event) => {
          event.preventDefault();
          this.scale(event.deltaY < 0 ? 1.2 : 1 / 1.2, event.offsetX, event.offsetY);
        },
        { passive: false },
      );
      canvas.addEventListener("pointerdown", (event) => {
        this.drag = { x: event.offsetX, y: event.offsetY, moved: false };
        canvas.setPointerCapture(event.pointerId);
      });
      canvas.addEventListener("pointermove", (event) => this.move(event));
      canvas.addEventListener("pointerup", (event) => {
        if (this.drag && !this.drag.moved) this.click(event);
        this.drag = null;
      });
      canvas.addEventListener("pointerleave", () => fill(this.tip));
    }

    /** Fetch the map of a view, and ask again until it is computed. */
    async render(view, method) {
      const key = `${view} ${method}`;
      if (this.key === key) {
        this.soon();
        return;
      }
      this.key = key;
      clearTimeout(this.timer);
      this.asked?.abort();
      const asked = new AbortController();
      this.asked = asked;
      for (const control of this.methods)
        control.setAttribute("aria-pressed", String(control.dataset.method === method));
      try {
        const drawn = await this.data.map(view, method, asked.signal);
        if (asked.signal.aborted) return;
        if (drawn.state === "running") {
          this.points = null;
          const part = drawn.total ? ` (${drawn.done} of ${drawn.total})` : "";
          fill(this.message, printable(`The map is being computed${part}. ${drawn.message ?? ""}`));
          this.key = "";
          this.timer = setTimeout(() => this.host.hidden || this.render(view, method), AGAIN);
          this.soon();
          return;
        }
        this.shown(drawn);
      } catch (error) {
        if (error.name === "AbortError") return;
        this.key = "";
        this.points = null;
        this.soon();
        fill(this.message, failure(error));
      }
    }

    shown(drawn) {
      const { points, labels, message = "", method } = drawn;
      this.drawn = drawn;
      this.points = points;
      this.names = drawn.names ?? [];
      this.reset();
      fill(this.message, foreign(message));
      this.canvas.setAttribute(
        "aria-label",
        `Map of ${count(points.length, "track")} by ${method}, in the colours of ${count(labels.length, "label")}`,
      );
      fill(
        this.legend,
        labels.slice(0, MOST_NAMED).map((name, at) =>
          button(
            [sample(at, DARK.matches), foreign(name || "no label")],
            (event) => this.toggle(at, event.currentTarget),
            {
              "aria-pressed": String(!this.hidden.has(at)),
              title: "show or hide this label",
            },
          ),
        ),
      );
    }

    toggle(at, control) {
      if (!this.hidden.delete(at)) this.hidden.add(at);
      control.setAttribute("aria-pressed", String(!this.hidden.has(at)));
      this.soon();
    }

    reset() {
      this.zoom = { scale: 1, x: 0, y: 0 };
      this.soon();
    }

    /** Zoom around a point of the canvas; its middle if none is given. */
    scale(factor, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2) {
      const next = Math.max(0.5, Math.min(200, this.zoom.scale * factor));
      const by = next / this.zoom.scale;
      this.zoom = { scale: next, x: x - by * (x - this.zoom.x), y: y - by * (y - this.zoom.y) };
      this.soon();
    }

    soon() {
      if (this.waiting) return;
      this.waiting = true;
      requestAnimationFrame(() => {
        this.waiting = false;
        this.draw();
      });
    }

    /** Compute where each point is on the canvas. */
    place(width, height) {
      const { points } = this;
      let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
      for (const [, x, y] of points) {
        left = Math.min(left, x);
        right = Math.max(right, x);
        low = Math.min(low, y);
        high = Math.max(high, y);
      }
      const edge = 16;
      const { scale, x: dx, y: dy } = this.zoom;
      const across = (width - 2 * edge) / (right - left || 1);
      const up = (height - 2 * edge) / (high - low || 1);
      this.at = new Float32Array(2 * points.length);
      points.forEach(([, x, y], index) => {
        this.at[2 * index] = scale * (edge + across * (x - left)) + dx;
        this.at[2 * index + 1] = scale * (height - edge - up * (y - low)) + dy;
      });
    }

    draw() {
      const { clientWidth: width, clientHeight: height } = this.canvas;
      if (!width) return;
      const density = devicePixelRatio || 1;
      this.canvas.width = width * density;
      this.canvas.height = height * density;
      const context = this.canvas.getContext("2d");
      context.scale(density, density);
      if (!this.points) return;
      this.place(width, height);
      const size = this.points.length > 5000 ? 2 : this.points.length > 500 ? 3 : 5;
      const dots = this.points.length > MOST_SHAPES;
      const paths = new Map();
      this.points.forEach(([, , , label], index) => {
        const [x, y] = [this.at[2 * index], this.at[2 * index + 1]];
        if (this.hidden.has(label) || x < -size || y < -size || x > width + size || y > height + size) return;
        if (!paths.has(label)) paths.set(label, new Path2D());
        if (dots) paths.get(label).rect(x - 1, y - 1, 2, 2);
        else mark(paths.get(label), label, x, y, size);
      });
      context.globalAlpha = 0.8;
      for (const [label, path] of paths) {
        context.fillStyle = colour(label, DARK.matches);
        context.fill(path);
      }
    }

    /** The index of the point nearest to a place, or -1. */
    nearest(x, y) {
      let [best, least] = [-1, NEAR ** 2];
      this.points?.forEach(([, , , label], index) => {
        const distance = (this.at[2 * index] - x) ** 2 + (this.at[2 * index + 1] - y) ** 2;
        if (distance < least && !this.hidden.has(label)) [best, least] = [index, distance];
      });
      return best;
    }

    move(event) {
      const { offsetX: x, offsetY: y } = event;
      if (this.drag) {
        if (Math.hypot(x - this.drag.x, y - this.drag.y) > 4) this.drag.moved = true;
        if (this.drag.moved) {
          this.zoom.x += event.movementX;
          this.zoom.y += event.movementY;
          this.soon();
        }
        return;
      }
      const at = this.at && this.points ? this.nearest(x, y) : -1;
      this.canvas.classList.toggle("over", at >= 0);
      if (at < 0) {
        fill(this.tip);
        return;
      }
      const [number, , , label] = this.points[at];
      fill(
        this.tip,
        foreign(this.names[at] ?? `track ${number}`),
        " – ",
        foreign(this.drawn.labels[label] ?? ""),
      );
    }

    click(event) {
      const at = this.at && this.points ? this.nearest(event.offsetX, event.offsetY) : -1;
      if (at >= 0) this.open(this.points[at][0]);
    }
  }

  Object.assign(Explorer, { TrackMap });
}
