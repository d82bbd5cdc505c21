// The filters above the table.

"use strict";

{
  const { FILTERS, button, change, cleared, element, fill, foreign, printable, state } = Explorer;

  /** Milliseconds without a key after which typed text filters. */
  const PAUSE = 200;

  /** Fill a select; the chosen value stays, even if it is not among the options. */
  function options(select, values, chosen) {
    const known = values.some(([value]) => value === chosen);
    const all = known ? values : [...values, [chosen, chosen]];
    fill(
      select,
      all.map(([value, text]) => element("option", { value }, printable(text))),
    );
    select.value = chosen;
  }

  class Filters {
    /** `store` describes the store; `host` is filled. */
    constructor(host, store) {
      this.store = store;
      this.checks = [];
      this.text = element("input", {
        type: "search",
        placeholder: "part of an id",
        on: { input: () => this.typed() },
      });
      this.label = this.select("label");
      this.side = this.select("side");
      this.finding = this.select("finding");
      this.predicted = this.select("predicted");
      this.column = element("select", { on: { change: () => change({ column: this.column.value }) } });
      this.error = this.box("error", "wrong predictions only");
      this.corrected = this.box("corrected", "corrected only");
      this.clear = button("Clear filters", () => change(cleared(), { step: true }));
      this.number = element("output", { class: "quiet total" });
      this.form = element(
        "div",
        { class: "filters", role: "search", "aria-label": "Filter tracks" },
        this.named("Track", this.text),
        this.named("Label", this.label),
        this.named("Finding", this.finding),
        this.ofRun(this.named("Side", this.side)),
        this.ofRun(this.named("Predicted", this.predicted)),
        store.columns.length ? this.named("Extra column", this.column) : null,
        this.ofRun(this.error.parentElement),
        this.corrected.parentElement,
        this.clear,
        this.number,
      );
      host.append(this.form);
    }

    named(name, control) {
      return element("label", {}, element("span", {}, name), control);
    }

    ofRun(node) {
      node.classList.add("of-run");
      return node;
    }

    select(key) {
      const node = element("select", { on: { change: () => change({ [key]: node.value }, { step: true }) } });
      return node;
    }

    box(key, name) {
      const node = element("input", {
        type: "checkbox",
        on: { change: () => change({ [key]: node.checked ? "1" : "" }, { step: true }) },
      });
      element("label", { class: "box" }, node, name);
      return node;
    }

    typed() {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => change({ query: this.text.value }), PAUSE);
    }

    /** Show the state. `findings` are those known by now. */
    render(findings) {
      const now = state();
      const labels = this.store.labels.map(({ name, count }) => [name, `${name} (${count})`]);
      const names = this.store.labels.map(({ name }) => [name, name]);
      options(this.label, [["", "all"], ...labels.filter(([name]) => name)], now.label);
      options(this.predicted, [["", "all"], ...names.filter(([name]) => name)], now.predicted);
      options(
        this.side,
        ["", "train", "valid", "test"].map((side) => [side, side || "all"]),
        now.side,
      );
      const checks = [...new Set(findings.map(({ check }) => check))].map((check) => [check, check]);
      const single = findings.filter(({ id }) => id === now.finding).map(({ id, title }) => [id, title]);
      options(
        this.finding,
        [["", "all"], ...checks, ...single.filter(([id]) => !checks.some(([check]) => check === id))],
        now.finding,
      );
      options(
        this.column,
        [["", "none"], ...this.store.columns.map(({ name, title }) => [name, title])],
        now.column,
      );
      if (document.activeElement !== this.text) this.text.value = now.query;
      this.error.checked = Boolean(now.error);
      this.corrected.checked = Boolean(now.corrected);
      this.clear.disabled = FILTERS.every((name) => !now[name]);
      for (const node of this.form.querySelectorAll(".of-run")) node.hidden = !now.run;
    }

    /** Say how many tracks match. */
    counted(text) {
      fill(this.number, foreign(text));
    }
  }

  Object.assign(Explorer, { Filters, options });
}
