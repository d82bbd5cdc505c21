// The confusion matrix of a run. Each count is a button that lists its tracks.

"use strict";

{
  const { button, count, element, failure, fill, foreign, printable, whole } = Explorer;

  /** Shades of cells, as in the style sheet. */
  const SHADES = 8;

  /** With more labels the matrix is not drawn. */
  const MOST_LABELS = 120;
  /** Confusions that are listed in words. */
  const MOST_LISTED = 10;

  class Confusion {
    /**
     * @param host the element to fill
     * @param data where the matrix comes from
     * @param list called with the filters of a cell
     */
    constructor(host, data, list) {
      Object.assign(this, { host, data, list });
    }

    async render(run) {
      this.asked?.abort();
      const asked = new AbortController();
      this.asked = asked;
      const heading = element("h2", {}, "Confusion");
      if (!run) {
        fill(
          this.host,
          heading,
          element("p", {}, "No run is chosen. Give a folder of runs to `audiospec explore` with --runs."),
        );
        return;
      }
      try {
        const drawn = await this.data.confusion(run, asked.signal);
        if (asked.signal.aborted) return;
        fill(
          this.host,
          heading,
          drawn.message ? element("p", { class: "quiet" }, foreign(drawn.message)) : null,
          drawn.labels.length > MOST_LABELS
            ? element(
                "p",
                { class: "quiet" },
                `A matrix of ${count(drawn.labels.length, "label")} is not drawn.`,
              )
            : drawn.labels.length
              ? this.matrix(drawn)
              : null,
          ...(drawn.labels.length ? [this.worst(drawn)].flat() : []),
        );
      } catch (error) {
        if (error.name !== "AbortError") fill(this.host, heading, failure(error));
      }
    }

    matrix({ labels, counts, side = "" }) {
      const which = side ? `${side} tracks` : "tracks";
      const caption = `Rows: the given label. Columns: the predicted label. Numbers: ${which}; each lists them.`;
      const head = labels.map((name) => element("th", { scope: "col" }, foreign(name)));
      const body = labels.map((truth, row) => {
        const sum = counts[row].reduce((total, value) => total + value, 0);
        const cells = labels.map((predicted, column) =>
          this.cell(counts[row][column], sum, truth, predicted, side),
        );
        return element("tr", {}, element("th", { scope: "row" }, foreign(truth)), cells);
      });
      return element(
        "div",
        { class: "scroll", tabindex: 0, role: "region", "aria-label": "Confusion matrix" },
        element(
          "table",
          { class: "confusion" },
          element("caption", {}, element("span", {}, caption)),
          element(
            "thead",
            {},
            element(
              "tr",
              {},
              element("td", {}, element("span", {}, "given ↓"), " ", element("span", {}, "predicted →")),
              head,
            ),
          ),
          element("tbody", {}, body),
        ),
      );
    }

    /** The largest confusions, in words. */
    worst({ labels, counts, side = "" }) {
      const pairs = counts
        .flatMap((row, truth) => row.map((value, predicted) => [value, truth, predicted]))
        .filter(([value, truth, predicted]) => value && truth !== predicted)
        .sort(([first], [second]) => second - first)
        .slice(0, MOST_LISTED);
      if (!pairs.length) return element("p", {}, "No track is predicted wrongly.");
      const items = pairs.map(([value, truth, predicted]) => {
        const list = () => this.list({ label: labels[truth], predicted: labels[predicted], side });
        const text = [
          `${count(value, "track")} of `,
          foreign(labels[truth]),
          " as ",
          foreign(labels[predicted]),
        ];
        return element("li", {}, button(text, list, { class: "link" }));
      });
      return [element("h3", {}, "Most frequent confusions"), element("ol", {}, items)];
    }

    cell(value, sum, truth, predicted, side) {
      const right = truth === predicted;
      const shade = value ? Math.max(1, Math.ceil((SHADES * value) / sum)) : 0;
      const kind = `${shade ? `${right ? "r" : "w"}${shade}` : ""}${right ? " own-class" : ""}`;
      if (!value) return element("td", { class: kind.trim() || null });
      const says = `${count(value, "track")} of ${printable(truth)} predicted as ${printable(predicted)}`;
      const list = () => this.list({ label: truth, predicted, side });
      return element("td", { class: kind }, button(whole(value), list, { "aria-label": says, title: says }));
    }
  }

  Object.assign(Explorer, { Confusion });
}
