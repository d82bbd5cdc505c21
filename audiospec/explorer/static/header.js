// The head of the page: what is shown, the choices of run, view and panel, and messages.

"use strict";

{
  const { button, change, count, element, failure, fill, foreign, help, options, printable, state } =
    Explorer;

  const PANELS = {
    tracks: "Tracks",
    findings: "Findings",
    map: "Map",
    confusion: "Confusion",
    histograms: "Histograms",
  };

  /** Below this width, as in the style sheet, a track covers the panels. */
  const NARROW = matchMedia("(max-width: 59.99rem)");

  const by = (id) => document.getElementById(id);

  class Header {
    /** `store` describes the store. */
    constructor(store) {
      this.store = store;
      const { name, dataset, tracks, labels, runs, views } = store;
      document.title = `${printable(name)} – audiospec explore`;
      fill(by("store"), foreign(name));
      const counts = [count(tracks, "track"), count(labels.length, "label"), count(runs.length, "run")];
      fill(by("counts"), dataset ? ["dataset ", foreign(dataset), ", "] : null, counts.join(", "));
      this.run = by("run");
      this.view = by("view");
      const none = [["", "none"]];
      options(this.run, runs.length ? runs.map(describe) : none, state().run);
      options(this.view, views.length ? views.map(({ name: view }) => [view, view]) : none, state().view);
      this.run.disabled = !runs.length;
      this.view.disabled = !views.length;
      this.run.addEventListener("change", () => change({ run: this.run.value }, { step: true }));
      this.view.addEventListener("change", () =>
        change({ view: this.view.value, chunk: "" }, { step: true }),
      );
      const tab = ([panel, title]) => button(title, () => this.choose(panel), { "data-panel": panel });
      fill(by("panels"), Object.entries(PANELS).map(tab));
      this.dialog = help();
      document.body.append(this.dialog);
      by("help").addEventListener("click", () => this.dialog.showModal());
    }

    /** Show a panel, in place of the track where both have no space. */
    choose(panel) {
      change({ panel, ...(NARROW.matches ? { track: "", at: "", chunk: "" } : {}) }, { step: true });
    }

    /** Show the choices; `panel` is the one that is shown. */
    render(panel) {
      for (const tab of by("panels").children) {
        if (tab.dataset.panel === panel) tab.setAttribute("aria-current", "page");
        else tab.removeAttribute("aria-current");
      }
      this.run.value = state().run;
      this.view.value = state().view;
    }

    /** Show what concerns the whole store: `found` is what the checks found, `error` what failed. */
    messages(found, error = null) {
      const { message, problems = [], audio, can_correct: writable, static: copied } = this.store;
      const texts = [message, ...problems];
      if (!message && audio === "moved")
        texts.push("The audio has moved: it cannot be played. Everything else works.");
      if (!message && audio === "none") texts.push("The store has no audio to play.");
      if (!message && !writable && !copied) texts.push("Read only: labels cannot be corrected here.");
      if (found.state === "running") texts.push(`The checks are still running. ${found.message ?? ""}`);
      const list = texts.filter(Boolean).map((text) => element("p", { class: "message" }, foreign(text)));
      fill(by("messages"), error ? failure(error) : null, list);
    }
  }

  /** Value and text of a run in the list of runs. */
  function describe({ name, split, score }) {
    const facts = [split, score].filter(Boolean).join(", ");
    return [name, facts ? `${name} (${facts})` : name];
  }

  Object.assign(Explorer, { Header, PANELS });
}
