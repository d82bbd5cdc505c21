// Start the page: fetch the description of the store, make the panels, and keep them in step with the state.

"use strict";

{
  const {
    Confusion,
    Detail,
    FILTERS,
    Filters,
    Findings,
    Histograms,
    QUERY,
    Table,
    TrackMap,
    announce,
    button,
    change,
    cleared,
    connect,
    count,
    element,
    failure,
    fill,
    foreign,
    help,
    listen,
    options,
    printable,
    state,
    watch,
    whole,
  } = Explorer;

  const PANELS = {
    tracks: "Tracks",
    findings: "Findings",
    map: "Map",
    confusion: "Confusion",
    histograms: "Histograms",
  };
  /** Milliseconds between two questions for findings while the checks run. */
  const AGAIN = 2000;
  /** Findings fetched at once. */
  const FINDINGS = 500;
  /** Rows fetched at once in search of the next error. */
  const STRIDE = 1000;

  const by = (id) => document.getElementById(id);

  class App {
    constructor(data) {
      this.data = data;
      this.found = { state: "running", findings: [], not_checked: [], message: "" };
      this.limit = FINDINGS;
      this.choose();
      this.header();
      this.hosts = Object.fromEntries(
        Object.entries(PANELS).map(([name, title]) => [
          name,
          element("section", { class: `panel ${name}`, "aria-label": title, hidden: true }),
        ]),
      );
      by("panel").append(...Object.values(this.hosts));
      const open = (number) => this.open(number, "", true);
      this.filters = new Filters(this.hosts.tracks, data.store);
      this.table = new Table(this.hosts.tracks, {
        fetchPage: (offset, limit, signal) => data.tracks(this.query(), offset, limit, signal),
        open: (row, index) => this.open(row.number, index, true),
        sort: (name) => this.sort(name),
      });
      this.hosts.tracks.addEventListener("counted", ({ detail: total }) => this.counted(total));
      this.findings = new Findings(this.hosts.findings, {
        open,
        filter: (finding) => this.list({ finding }),
        more: () => this.moreFindings(),
      });
      this.map = new TrackMap(this.hosts.map, data, open);
      this.confusion = new Confusion(this.hosts.confusion, data, (filters) => this.list(filters));
      this.histograms = new Histograms(this.hosts.histograms, data, open);
      this.detail = new Detail(by("detail"), data, {
        previous: () => this.walk(-1),
        next: () => this.walk(1),
        error: () => this.nextError(),
        close: () => this.close(),
        open,
        changed: ({ number, corrected }) => this.table.changed({ number, corrected }),
      });
      this.keys();
      watch((now, changed) => this.render(changed));
      this.render(new Set(Object.keys(state())));
      this.askFindings();
    }

    /** Choose a run and a view, if the address names none that exists. */
    choose() {
      const { runs, views } = this.data.store;
      const now = state();
      const run = runs.some(({ name }) => name === now.run) ? now.run : (runs[0]?.name ?? "");
      const first = views.find(({ drawn }) => drawn) ?? views[0];
      const view = views.some(({ name }) => name === now.view) ? now.view : (first?.name ?? "");
      change({ run, view });
    }

    header() {
      const { store } = this.data;
      document.title = `${printable(store.name)} – audiospec explore`;
      fill(by("store"), foreign(store.name));
      const parts = [
        count(store.tracks, "track"),
        count(store.labels.length, "label"),
        count(store.runs.length, "run"),
      ];
      fill(by("counts"), store.dataset ? ["dataset ", foreign(store.dataset), ", "] : null, parts.join(", "));
      this.run = by("run");
      this.view = by("view");
      const title = ({ name, model, split, score }) => [
        name,
        [name, model, split, score].filter(Boolean).join(", "),
      ];
      options(this.run, store.runs.length ? store.runs.map(title) : [["", "none"]], state().run);
      options(
        this.view,
        store.views.length ? store.views.map(({ name }) => [name, name]) : [["", "none"]],
        state().view,
      );
      this.run.disabled = store.runs.length === 0;
      this.view.disabled = store.views.length === 0;
      this.run.addEventListener("change", () => change({ run: this.run.value }, { step: true }));
      this.view.addEventListener("change", () =>
        change({ view: this.view.value, chunk: "" }, { step: true }),
      );
      const tab = ([name, text]) =>
        button(text, () => change({ panel: name }, { step: true }), { "data-panel": name });
      fill(by("panels"), Object.entries(PANELS).map(tab));
      this.dialog = help();
      document.body.append(this.dialog);
      by("help").addEventListener("click", () => this.dialog.showModal());
      this.messages();
    }

    /** Show what the user should know about the whole store. */
    messages(stale = null) {
      const { message, problems = [], audio, can_correct: writable } = this.data.store;
      const texts = [message, ...problems];
      if (!message && audio === "moved")
        texts.push("The audio has moved: it cannot be played. Everything else works.");
      if (!message && audio === "none") texts.push("The store has no audio to play.");
      if (!message && !writable) texts.push("Read only: labels cannot be corrected here.");
      const { state: checks, message: at } = this.found;
      if (checks === "running") texts.push(`The checks are still running. ${at ?? ""}`);
      const list = texts.filter(Boolean).map((text) => element("p", { class: "message" }, foreign(text)));
      fill(by("messages"), stale ? failure(stale) : null, list);
    }

    /** What the table asks for. */
    query() {
      const now = state();
      const asked = Object.fromEntries(QUERY.map((name) => [name, now[name]]));
      return { ...asked, run: now.run };
    }

    render(changed) {
      const now = state();
      const any = (...names) => names.some((name) => changed.has(name));
      const panel = now.panel in PANELS ? now.panel : "tracks";
      for (const [name, host] of Object.entries(this.hosts)) host.hidden = name !== panel;
      for (const tab of by("panels").children) {
        if (tab.dataset.panel === panel) tab.setAttribute("aria-current", "page");
        else tab.removeAttribute("aria-current");
      }
      this.run.value = now.run;
      this.view.value = now.view;
      this.filters.render(this.found.findings);
      if (any("run", "column", "sort", "descending")) this.columns();
      if (any("run", ...QUERY)) this.table.load(changed.has("panel") && now.at ? Number(now.at) : 0);
      else if (any("column")) this.table.changed({});
      this.table.soon();
      if (panel === "map") this.map.render(now.view, now.method);
      if (panel === "confusion" && (any("run") || this.confusedBy !== now.run)) {
        this.confusedBy = now.run;
        this.confusion.render(now.run);
      }
      if (panel === "histograms" && any("panel", "column")) this.histograms.render(now.column);
      this.track(now, changed);
    }

    columns() {
      const { run, column, sort, descending } = state();
      const extra = this.data.store.columns.filter(({ name }) => name === column);
      this.table.columns({ hasRun: Boolean(run), extra, sorted: sort, descending: Boolean(descending) });
    }

    track(now, changed) {
      document.body.classList.toggle("has-track", now.track !== "");
      if (now.track === "") {
        if (changed.has("track")) {
          this.detail.close();
          this.table.select(null);
        }
        return;
      }
      if (["track", "run", "view"].some((name) => changed.has(name))) {
        this.table.select(Number(now.track));
        this.detail.open(Number(now.track), this.focus);
      } else if (
        changed.has("chunk") &&
        this.detail.player &&
        Number(now.chunk || 0) !== this.detail.player.at
      ) {
        this.detail.player.show(Number(now.chunk || 0));
      }
      this.focus = false;
    }

    /** Open a track; `at` is the index of its row, if it is known. */
    open(number, at, step) {
      this.focus = step;
      if (state().track === String(number)) this.detail.heading?.focus();
      change({ track: number, at, chunk: "" }, { step });
    }

    close() {
      const inside =
        by("detail").contains(document.activeElement) || document.activeElement === document.body;
      change({ track: "", at: "", chunk: "" }, { step: true });
      if (inside && state().panel === "tracks") this.table.move(this.table.active);
      else if (inside) by("panels").querySelector("[aria-current]")?.focus();
    }

    /** Show tracks in the table: these filters, and no others. */
    list(filters) {
      const sort = filters.finding ? { sort: "finding", descending: "" } : {};
      change({ ...cleared(), ...sort, ...filters, panel: "tracks" }, { step: true });
      this.table.focusFirst();
    }

    sort(name) {
      const now = state();
      if (now.sort !== name) change({ sort: name, descending: "" }, { step: true });
      else if (!now.descending) change({ descending: "1" }, { step: true });
      else change({ sort: "", descending: "" }, { step: true });
    }

    counted(total) {
      const all = this.data.store.tracks;
      const filtered = FILTERS.some((name) => state()[name]);
      this.filters.counted(filtered ? `${whole(total)} of ${count(all, "track")}` : count(total, "track"));
    }

    /** The index of the open track in the table, or -1. */
    get place() {
      const { track, at } = state();
      if (track === "") return -1;
      const known = this.table.pages.index(Number(track));
      if (known >= 0) return known;
      return at === "" ? -1 : Number(at);
    }

    /** Open the next or previous track of the table. */
    async walk(by) {
      const index = this.place + by;
      if (index < 0 || index >= this.table.total) {
        announce(by > 0 ? "This is the last track" : "This is the first track");
        return;
      }
      try {
        const row = await this.table.pages.fetch(index);
        if (row) this.goTo(row, index);
      } catch (error) {
        this.messages(error);
      }
    }

    goTo(row, index) {
      this.table.move(index, false);
      this.open(row.number, index, false);
    }

    /** Open the next track of the table that the run predicts wrongly. */
    async nextError() {
      if (!state().run) return;
      const query = this.query();
      try {
        for (let first = this.place + 1; first < this.table.total; first += STRIDE) {
          const { rows } = await this.data.tracks(query, first, STRIDE);
          const at = rows.findIndex((row) => row.predicted && row.predicted !== row.label);
          if (at >= 0) {
            this.goTo(rows[at], first + at);
            return;
          }
          if (rows.length < STRIDE) break;
        }
        announce("No wrong prediction follows");
      } catch (error) {
        this.messages(error);
      }
    }

    keys() {
      const player = (action) => () => this.detail.player && action(this.detail.player);
      const corrections = (action) => () => this.detail.track && action(this.detail.corrections);
      listen({
        j: () => this.walk(1),
        k: () => this.walk(-1),
        e: () => this.nextError(),
        " ": player((one) => one.toggle()),
        "[": player((one) => one.step(-1)),
        "]": player((one) => one.step(1)),
        b: () => this.detail.duplicates?.flip(),
        a: corrections((one) => one.accept()),
        c: corrections((one) => one.choose()),
        x: corrections((one) => one.exclude()),
        u: corrections((one) => one.undo()),
        Escape: () => state().track && this.close(),
        "/": () => {
          change({ panel: "tracks" });
          this.filters.text.focus();
        },
        "?": () => this.dialog.showModal(),
      });
      document.addEventListener("stale", ({ detail: error }) => this.messages(error));
    }

    async askFindings() {
      try {
        this.found = await this.data.findings(0, this.limit);
        this.findings.render(this.found);
      } catch (error) {
        this.found = { ...this.found, state: "failed", message: error.message };
        this.findings.failed(error);
      }
      this.messages();
      this.filters.render(this.found.findings);
      if (this.found.state === "running") setTimeout(() => this.askFindings(), AGAIN);
      else if (state().finding || state().sort.startsWith("finding")) this.table.load(null); // it may list more by now
    }

    moreFindings() {
      this.limit += FINDINGS;
      this.askFindings();
    }
  }

  connect().then(
    (data) => new App(data),
    (error) => fill(by("messages"), failure(error)),
  );
}
