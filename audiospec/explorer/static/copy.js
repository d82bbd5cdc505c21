// The data of a static copy (`audiospec explore --export`): files, sorted and filtered in the browser.

"use strict";

{
  const { Failure } = Explorer;

  /** Name of a file that is being loaded → its promise, and the function that takes its data. */
  const loading = new Map();

  // Each file of the copy is a script that calls this.
  window.explorerData = (name, data) => loading.get(name)?.resolve(data);

  /** Load a JSON document of the copy, from the script of the same name. */
  function file(name) {
    if (loading.has(name)) return loading.get(name).promise;
    const script = document.createElement("script");
    const entry = {};
    entry.promise = new Promise((resolve, reject) => {
      entry.resolve = resolve;
      const done = () => {
        loading.delete(name);
        script.remove();
        // Without effect if the data arrived.
        reject(
          new Failure(`${name} is not part of this copy`, "make the copy again, or copy its whole folder"),
        );
      };
      script.addEventListener("load", done);
      script.addEventListener("error", done);
    });
    loading.set(name, entry);
    script.src = name.replace(/\.json$/, ".js");
    document.head.append(script);
    return entry.promise;
  }

  /** Pages of details that are kept. */
  const MOST_DETAILS = 4;

  const COLLATOR = new Intl.Collator("en", { numeric: true });

  function compare(first, second) {
    if (typeof first === "number" && typeof second === "number") return first - second;
    return COLLATOR.compare(String(first), String(second));
  }

  function absent(value) {
    return value === null || value === undefined || value === "" || Number.isNaN(value);
  }

  class Copy {
    constructor(store) {
      this.store = store;
      this.pages = new Map();
      this.details = new Map();
      this.listed = { key: "", rows: [] };
    }

    /** The name of a run in the names of files. */
    run(name) {
      const at = this.store.runs.findIndex((run) => run.name === name);
      return at < 0 ? "none" : String(at);
    }

    /** The name of a view in the names of files. */
    view(name) {
      return String(
        Math.max(
          0,
          this.store.views.findIndex((view) => view.name === name),
        ),
      );
    }

    /** All rows of the table for a run, in the order of the store. */
    all(run) {
      if (!this.pages.has(run)) this.pages.set(run, this.load(run));
      return this.pages.get(run);
    }

    async load(run) {
      const address = (page) => `api/tracks/${this.run(run)}/${page}.json`;
      const rows = [];
      try {
        for (let page = 0; rows.length < this.store.tracks; page += 1) {
          const part = await file(address(page));
          if (!part.rows.length) break;
          rows.push(...part.rows);
        }
      } catch (error) {
        this.pages.delete(run); // else a lost connection would stay an error
        throw error;
      }
      return rows;
    }

    async tracks(filters, offset, limit) {
      const key = JSON.stringify(filters);
      if (this.listed.key !== key) this.listed = { key, rows: await this.list(filters) };
      return { total: this.listed.rows.length, rows: this.listed.rows.slice(offset, offset + limit) };
    }

    async list({ run = "", sort = "", descending = "", ...filters }) {
      let rows = [...(await this.all(run))];
      const ranks = filters.finding || sort === "finding" ? await this.ranks(filters.finding) : new Map();
      const text = (filters.query ?? "").toLowerCase();
      if (text) rows = rows.filter((row) => row.id.toLowerCase().includes(text));
      for (const name of ["label", "side", "predicted"]) {
        if (filters[name]) rows = rows.filter((row) => row[name] === filters[name]);
      }
      if (filters.finding) rows = rows.filter((row) => ranks.has(row.number));
      if (filters.error) rows = rows.filter((row) => row.predicted && row.predicted !== row.label);
      if (filters.corrected) rows = rows.filter((row) => row.corrected !== null);
      if (!sort) return rows;
      const value = (row) => (sort === "finding" ? ranks.get(row.number) : shown(row, sort));
      const sign = descending ? -1 : 1;
      return rows.sort((first, second) => {
        const [a, b] = [value(first), value(second)];
        if (absent(a) || absent(b)) return absent(a) - absent(b) || first.number - second.number;
        return sign * compare(a, b) || first.number - second.number;
      });
    }

    /** Number of each track of a finding, or of the findings of a check → its place, worst first. */
    async ranks(wanted) {
      this.found ??= await this.findings();
      const ranks = new Map();
      for (const finding of this.found.findings) {
        if (wanted && finding.id !== wanted && finding.check !== wanted) continue;
        for (const track of [...finding.tracks, ...finding.groups.flat()]) {
          if (!ranks.has(track)) ranks.set(track, ranks.size);
        }
      }
      return ranks;
    }

    /** The details of a track; files hold as many tracks as those of the table. */
    async track(number, run, view) {
      const page = Math.floor(number / this.store.page);
      const name = `api/tracks-details/${this.run(run)}/${this.view(view)}/${page}.json`;
      const tracks = this.details.get(name) ?? (await file(name)).tracks;
      this.details.set(name, tracks);
      if (this.details.size > MOST_DETAILS) this.details.delete(this.details.keys().next().value);
      const track = tracks.find((one) => one.number === number);
      if (!track) throw new Failure(`this copy has no track ${number}`);
      return track;
    }

    spectrogram(row, view) {
      return `api/spectrogram/${this.view(view)}/${row}.png`;
    }

    map(view, method) {
      return file(`api/map/${this.view(view)}/${method}.json`);
    }

    confusion(run) {
      return file(`api/confusion/${this.run(run)}.json`);
    }

    findings() {
      return file("api/findings.json");
    }

    histogram(column) {
      return file(`api/histogram/${encodeURIComponent(column)}.json`);
    }
  }

  /** The value of a row that the table shows and sorts in a column. */
  function shown(row, column) {
    if (column === "label") return row.corrected || row.label;
    if (column === "findings") return row.findings.length || null;
    return row[column];
  }

  Object.assign(Explorer, { Copy, file });
}
