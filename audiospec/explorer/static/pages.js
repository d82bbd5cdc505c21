// Rows of the table, fetched in pages of 100. The pages used last are kept.

"use strict";

{
  const PAGE = 100;
  const MOST_PAGES = 80;
  const AT_ONCE = 3;

  class Pages {
    /**
     * @param fetchPage (offset, limit, signal) → promise of {total, rows}
     * @param arrived called after a page was received
     * @param failed called with an error
     */
    constructor(fetchPage, arrived, failed) {
      Object.assign(this, { fetchPage, arrived, failed });
      this.kept = new Map();
      this.asked = new Map();
      this.wanted = [];
    }

    /** Forget all pages, and end requests for them. */
    clear() {
      for (const controller of this.asked.values()) controller.abort();
      this.asked = new Map();
      this.kept = new Map();
      this.wanted = [];
    }

    /** Return a row, or null if its page is not here. */
    row(index) {
      const page = this.kept.get(Math.floor(index / PAGE));
      return page?.[index % PAGE] ?? null;
    }

    /** Replace a row that changed, wherever it is. */
    replace(row) {
      for (const rows of this.kept.values()) {
        const at = rows.findIndex((other) => other.number === row.number);
        if (at >= 0) rows[at] = { ...rows[at], ...row };
      }
    }

    /** Return the index of a track in the pages that are here, or -1. */
    index(number) {
      for (const [page, rows] of this.kept) {
        const at = rows.findIndex((row) => row.number === number);
        if (at >= 0) return page * PAGE + at;
      }
      return -1;
    }

    /** Want the pages of rows `first` to `last`, and no others. */
    want(first, last) {
      this.wanted = [];
      for (let page = Math.floor(first / PAGE); page <= Math.floor(last / PAGE); page += 1) {
        if (this.kept.has(page)) this.use(page);
        else this.wanted.push(page);
      }
      for (const [page, controller] of this.asked) {
        if (!this.wanted.includes(page)) {
          controller.abort(); // it was scrolled past
          this.asked.delete(page);
        }
      }
      this.next();
    }

    /** Fetch a row whose page may not be here; null if there is no such row. */
    async fetch(index) {
      const page = Math.floor(index / PAGE);
      if (!this.kept.has(page)) this.keep(page, (await this.fetchPage(page * PAGE, PAGE)).rows);
      return this.row(index);
    }

    use(page) {
      const rows = this.kept.get(page);
      this.kept.delete(page);
      this.kept.set(page, rows); // a map is in the order of insertion: the first page was used longest ago
    }

    keep(page, rows) {
      this.kept.set(page, rows);
      while (this.kept.size > MOST_PAGES) this.kept.delete(this.kept.keys().next().value);
    }

    next() {
      for (const page of this.wanted) {
        if (this.asked.size >= AT_ONCE) return;
        if (!this.asked.has(page) && !this.kept.has(page)) this.request(page);
      }
    }

    async request(page) {
      const controller = new AbortController();
      const { asked } = this;
      asked.set(page, controller);
      try {
        const { total, rows } = await this.fetchPage(page * PAGE, PAGE, controller.signal);
        if (controller.signal.aborted) return;
        this.keep(page, rows);
        this.arrived(total);
      } catch (error) {
        if (error.name === "AbortError" || controller.signal.aborted) return;
        this.wanted = this.wanted.filter((other) => other !== page); // else it would be asked for without end
        this.failed(error);
      } finally {
        if (asked.get(page) === controller) asked.delete(page);
      }
      if (asked === this.asked) this.next();
    }
  }

  Object.assign(Explorer, { PAGE, Pages });
}
