// Start the page: fetch the description of the store, make the panels, and keep them in step with the state.

"use strict";

{
  const {
    Confusion,
    Detail,
    FILTERS,
    Filters,
    Findings,
    Header,
    Histograms,
    PANELS,
    QUERY,
    Table,
    TrackMap,
    announce,
    change,
    cleared,
    complement,
    connect,
    count,
    element,
    failure,
    fill,
    listen,
    state,
    watch,
    whole,
  } = Explorer;

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
      complement((given) => this.missing(given));
      this.header = new Header(data.store);
      this.header.messages(this.found);
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

    /** A run and a view, in place of those that a state lacks, or that are not in this store. */
    missing(given) {
      const { runs, views } = this.data.store;
      const chosen = (all, wanted) =>
        all.some(({ name }) => name === wanted) ? wanted : (all[0]?.name ?? "");
      return { run: chosen(runs, given.run), view: chosen(views, given.view) };
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
      this.header.render(panel);
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
      const active = document.activeElement;
      // Right after a dialog is closed, the focus may still be on its hidden button.
      const inside = by("detail").contains(active) || active === document.body || !active.checkVisibility();
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
        this.header.messages(this.found, error);
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
        this.header.messages(this.found, error);
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
        "?": () => this.header.dialog.showModal(),
      });
      document.addEventListener("stale", ({ detail: error }) => this.header.messages(this.found, error));
    }

    /** Fetch the findings, again and again while the checks run. */
    async askFindings() {
      const before = this.found.state;
      try {
        this.found = await this.data.findings(0, FINDINGS);
        this.findings.render(this.found);
      } catch (error) {
        this.found = { ...this.found, state: "failed", message: error.message };
        this.findings.failed(error);
      }
      this.header.messages(this.found);
      this.filters.render(this.found.findings);
      if (this.found.state === "running") {
        this.waited = true;
        setTimeout(() => this.askFindings(), AGAIN);
      } else if (before === "running" && this.waited && this.found.findings.length) {
        this.table.load(null); // its rows name findings
        this.detail.refresh();
      }
    }

    /** Fetch the findings that follow those that are here. */
    async moreFindings() {
      try {
        const more = await this.data.findings(this.found.findings.length, FINDINGS);
        this.found = { ...more, findings: [...this.found.findings, ...more.findings] };
        this.findings.render(this.found);
      } catch (error) {
        this.header.messages(this.found, error);
      }
    }
  }

  connect().then(
    (data) => new App(data),
    (error) => fill(by("messages"), failure(error)),
  );
}
