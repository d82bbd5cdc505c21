// Histograms of the columns of quality, with the tracks farthest out.

"use strict";

{
  const {
    button,
    change,
    count,
    drawing,
    element,
    failure,
    fill,
    foreign,
    number,
    options,
    printable,
    quantity,
    ticks,
    whole,
  } = Explorer;

  const WIDTH = 420;
  const HEIGHT = 210;
  const LEFT = 50;
  const BOTTOM = 170;
  const TOP = 12;

  /** Return a histogram as a drawing, and as a table for those who do not see it. */
  function histogram({ edges, counts, unit = "", title, column = "" }) {
    const name = printable(title ?? column);
    const most = Math.max(1, ...counts);
    const [low, high] = [edges[0], edges.at(-1)];
    const x = (value) => LEFT + ((WIDTH - LEFT - 12) * (value - low)) / (high - low || 1);
    const y = (value) => BOTTOM - ((BOTTOM - TOP) * value) / most;
    const total = counts.reduce((sum, value) => sum + value, 0);
    const highest = counts.indexOf(Math.max(...counts));
    const span = `${number(low)} to ${number(high)}${unit ? ` ${unit}` : ""}`;
    const label = `${name} of ${count(total, "track")}: ${span}; most tracks from ${number(edges[highest])} to ${number(edges[highest + 1])}`;
    const bars = counts.map((value, at) =>
      drawing("rect", {
        class: "column",
        x: x(edges[at]).toFixed(1),
        y: y(value).toFixed(1),
        width: Math.max(1, x(edges[at + 1]) - x(edges[at]) - 1).toFixed(1),
        height: (BOTTOM - y(value)).toFixed(1),
      }),
    );
    const text = (words, at, up, anchor) =>
      drawing("text", { x: at.toFixed(1), y: up.toFixed(1), "text-anchor": anchor }, words);
    const across = ticks(low, high).map((mark) => text(String(mark), x(mark), BOTTOM + 18, "middle"));
    const up = ticks(0, most, 4)
      .filter(Number.isInteger)
      .flatMap((mark) => [
        drawing("path", { class: "grid-line", d: `M${LEFT} ${y(mark).toFixed(1)}H${WIDTH - 12}` }),
        text(whole(mark), LEFT - 6, y(mark) + 4, "end"),
      ]);
    const axis = text(`${name}${unit ? ` (${unit})` : ""}`, (LEFT + WIDTH) / 2, HEIGHT - 4, "middle");
    const rows = counts.map((value, at) =>
      element(
        "tr",
        {},
        element("th", { scope: "row" }, `${number(edges[at])} to ${number(edges[at + 1])}`),
        element("td", { class: "n" }, whole(value)),
      ),
    );
    return element(
      "figure",
      { class: "histogram" },
      drawing(
        "svg",
        { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label },
        up,
        bars,
        across,
        axis,
      ),
      element(
        "details",
        {},
        element("summary", {}, "As a table"),
        element(
          "table",
          {},
          element("caption", {}, label),
          element(
            "thead",
            {},
            element(
              "tr",
              {},
              element("th", { scope: "col" }, unit || name),
              element("th", { scope: "col", class: "n" }, "tracks"),
            ),
          ),
          element("tbody", {}, rows),
        ),
      ),
    );
  }

  /** The column of the track table that has a histogram, too. */
  const LENGTH = { name: "seconds", title: "length", unit: "s", numeric: true };

  class Histograms {
    /**
     * @param host the element to fill
     * @param data where histograms come from
     * @param open called with the number of a track
     */
    constructor(host, data, open) {
      Object.assign(this, { host, data, open });
      this.choice = element("select", {
        on: { change: () => change({ column: this.choice.value }, { step: true }) },
      });
      this.body = element("div");
      this.columns = [LENGTH, ...data.store.columns].filter(({ numeric }) => numeric);
      fill(
        host,
        element("h2", {}, "Histograms"),
        element("label", { class: "choice" }, "Column ", this.choice),
        this.body,
      );
    }

    async render(chosen) {
      const { columns } = this;
      const column = columns.find(({ name }) => name === chosen) ?? columns[0];
      options(
        this.choice,
        columns.map(({ name, title }) => [name, title]),
        column.name,
      );
      this.asked?.abort();
      const asked = new AbortController();
      this.asked = asked;
      try {
        const drawn = await this.data.histogram(column.name, asked.signal);
        if (!asked.signal.aborted)
          fill(this.body, this.drawn({ title: column.title, unit: column.unit, ...drawn }));
      } catch (error) {
        if (error.name !== "AbortError") fill(this.body, failure(error));
      }
    }

    drawn(values) {
      const { outliers = [], missing = 0, counts, unit } = values;
      const listed = outliers.map(({ number: track, id, value }) =>
        element(
          "li",
          {},
          button(foreign(id), () => this.open(track), { class: "link" }),
          `: ${quantity(value, unit)}`,
        ),
      );
      return [
        counts.length ? histogram(values) : element("p", {}, "No track has a value."),
        missing ? element("p", { class: "quiet" }, `${count(missing, "track")} without a value`) : null,
        element("h3", {}, "Outliers"),
        listed.length
          ? element("ol", {}, listed)
          : element("p", { class: "quiet" }, "No track is far from the others."),
      ];
    }
  }

  Object.assign(Explorer, { Histograms, histogram });
}
