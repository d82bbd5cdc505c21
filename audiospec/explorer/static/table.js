// The table of tracks. Only the rows in sight are elements, so that 100,000 rows scroll as 100 do.

"use strict";

{
  const {
    Pages,
    announce,
    button,
    count,
    element,
    failure,
    fill,
    foreign,
    number,
    percent,
    printable,
    quantity,
    time,
  } = Explorer;

  /** Height of a row in pixels, as in the style sheet. */
  const ROW = 34;
  /** Rows beyond the visible ones that are elements, too. */
  const BEYOND = 10;

  function labelCell(row) {
    if (row.corrected === null || row.corrected === undefined) return [foreign(row.label)];
    if (row.corrected === row.label)
      return [foreign(row.label), element("span", { class: "mark" }, "accepted")];
    const old = element("del", {}, foreign(row.label));
    if (row.corrected === "") return [old, element("span", { class: "mark" }, "excluded")];
    return [element("ins", {}, foreign(row.corrected)), " ", old];
  }

  function predictedCell(row) {
    if (!row.predicted) return [];
    if (row.predicted === row.label) return [foreign(row.predicted)];
    return [foreign(row.predicted), element("span", { class: "mark wrong" }, "wrong")];
  }

  /** Columns of every table, with their least width in rem and their share of the rest; `run`: of a run. */
  const COLUMNS = [
    {
      name: "id",
      title: "Track",
      least: 0,
      width: "minmax(var(--id), 3fr)",
      cell: (row) => [foreign(row.id, { title: printable(row.id) })],
    },
    { name: "label", title: "Label", least: 8.5, share: 1.5, cell: labelCell, marked: true },
    { name: "group", title: "Group", least: 5.5, share: 1, cell: (row) => [foreign(row.group)] },
    { name: "side", title: "Side", least: 4, cell: (row) => [foreign(row.side)], run: true },
    {
      name: "predicted",
      title: "Predicted",
      least: 8.5,
      share: 1.5,
      cell: predictedCell,
      run: true,
      marked: true,
    },
    {
      name: "probability",
      title: "Probability",
      least: 6.6,
      cell: probabilityCell,
      run: true,
      numeric: true,
    },
    { name: "loss", title: "Loss", least: 4.5, cell: (row) => [number(row.loss)], run: true, numeric: true },
    { name: "seconds", title: "Length", least: 5, cell: (row) => [time(row.seconds)], numeric: true },
    { name: "findings", title: "Findings", least: 7, share: 1.5, cell: findingsCell },
  ];

  function probabilityCell(row) {
    return [percent(row.probability)];
  }

  function findingsCell(row) {
    return [printable(row.findings.join(", "))];
  }

  class Table {
    /**
     * @param host the element to fill
     * @param fetchPage (offset, limit, signal) → promise of {total, rows}
     * @param open called with a row and its index
     * @param sort called with the name of a column
     */
    constructor(host, { fetchPage, open, sort }) {
      Object.assign(this, { open, sort });
      this.total = 0;
      this.active = 0;
      this.selected = null;
      this.shown = new Map();
      this.pages = new Pages(
        fetchPage,
        (total) => this.arrived(total),
        (error) => fill(this.note, failure(error)),
      );
      this.head = element("div", { role: "row", class: "row head", "aria-rowindex": 1 });
      this.body = element("div", { role: "rowgroup", class: "rows" });
      this.grid = element(
        "div",
        { role: "grid", class: "grid", "aria-label": "Tracks", "aria-readonly": "true", tabindex: -1 },
        element("div", { role: "rowgroup", class: "heads" }, this.head),
        this.body,
      );
      this.note = element("div", { class: "note" });
      this.grid.addEventListener("scroll", () => this.soon(), { passive: true });
      this.body.addEventListener("keydown", (event) => this.key(event));
      this.body.addEventListener("click", (event) => this.click(event));
      new ResizeObserver(() => this.soon()).observe(this.grid);
      host.append(this.note, this.grid);
    }

    /** Choose the columns. `extra` are columns of the store to show as well. */
    columns({ hasRun, extra, sorted, descending }) {
      this.cells = COLUMNS.filter(({ run }) => hasRun || !run);
      for (const { name, title, unit, numeric } of extra) {
        const cell = (row) => [
          row[name] === null || row[name] === undefined ? "" : quantity(row[name], unit),
        ];
        this.cells.splice(-1, 0, { name, title, least: 8, cell, numeric });
      }
      const width = ({ least, share }) => (share ? `minmax(${least}rem, ${share}fr)` : `${least}rem`);
      const least = this.cells.reduce((sum, cell) => sum + cell.least, 0);
      this.grid.style.setProperty("--columns", this.cells.map((cell) => cell.width ?? width(cell)).join(" "));
      this.grid.style.setProperty("--least", `calc(var(--id) + ${least}rem)`);
      this.grid.setAttribute("aria-colcount", this.cells.length);
      const headings = this.cells.map(({ name, title, numeric }, index) => {
        const order = sorted !== name ? "none" : descending ? "descending" : "ascending";
        const arrow = element(
          "span",
          { "aria-hidden": "true", class: "arrow" },
          { none: "", ascending: "▲", descending: "▼" }[order],
        );
        const heading = button([title, arrow], () => this.sort(name), { "data-sort": name });
        const attributes = {
          role: "columnheader",
          "aria-sort": order,
          "aria-colindex": index + 1,
          class: numeric ? "n" : null,
        };
        return element("div", attributes, heading);
      });
      const focused = document.activeElement?.dataset.sort;
      fill(this.head, headings);
      if (focused) this.head.querySelector(`[data-sort="${CSS.escape(focused)}"]`)?.focus();
    }

    /** Fetch the rows anew. `from` is the row to begin at; null stays at the place. */
    load(from = 0) {
      this.pages.clear();
      this.fresh = true;
      if (from !== null) this.active = from;
      this.forget();
      this.place = from;
      if (from === 0) this.grid.scrollTop = 0;
      this.grid.setAttribute("aria-busy", "true");
      const first = from ?? Math.floor(this.grid.scrollTop / ROW);
      this.pages.want(first, first);
    }

    arrived(total) {
      fill(this.note, total ? null : element("p", { class: "quiet empty" }, "No track matches the filters."));
      if (this.fresh) {
        this.fresh = false;
        this.total = total;
        this.active = Math.max(0, Math.min(this.active, total - 1));
        this.body.style.height = `${total * ROW}px`;
        this.grid.setAttribute("aria-rowcount", total + 1);
        this.grid.removeAttribute("aria-busy");
        fill(
          this.note,
          total ? null : element("p", { class: "quiet empty" }, "No track matches the filters."),
        );
        announce(count(total, "track"));
        this.grid.dispatchEvent(new CustomEvent("counted", { bubbles: true, detail: total }));
        if (this.place) this.reveal(this.place);
      }
      this.paint();
    }

    /** Move the keyboard to the table, once its rows are there. */
    focusFirst() {
      this.hadFocus = true;
      this.soon();
    }

    /** Show a changed row. */
    changed(row) {
      this.pages.replace(row);
      this.forget();
      this.paint();
    }

    /** Mark the row of a track as the one that is open. */
    select(track) {
      this.selected = track;
      for (const [index, node] of this.shown) this.mark(node, this.pages.row(index));
    }

    /** Remove all rows, but keep the keyboard's place. */
    forget() {
      this.hadFocus ||= this.body.contains(document.activeElement);
      this.shown = new Map();
      this.body.replaceChildren();
    }

    soon() {
      if (this.waiting) return;
      this.waiting = true;
      requestAnimationFrame(() => {
        this.waiting = false;
        this.paint();
      });
    }

    /** Make the rows in sight, and remove the others. */
    paint() {
      if (!this.cells || this.fresh || !this.grid.clientHeight) return;
      const top = Math.floor(this.grid.scrollTop / ROW);
      const last = Math.min(this.total - 1, top + Math.ceil(this.grid.clientHeight / ROW) + BEYOND);
      const first = Math.max(0, Math.min(top, this.total - 1) - BEYOND);
      for (const [index, node] of this.shown) {
        // The active row stays, as it holds the focus and is where Tab leads to.
        if ((index < first || index > last) && index !== this.active) {
          node.remove();
          this.shown.delete(index);
        }
      }
      for (let index = first; index <= last; index += 1) this.show(index);
      if (this.total) this.show(this.active);
      if (this.hadFocus) {
        this.hadFocus = false;
        this.shown.get(this.active)?.focus({ preventScroll: true });
      }
      if (last >= first) this.pages.want(first, last);
    }

    show(index) {
      const row = this.pages.row(index);
      let node = this.shown.get(index);
      if (node && (!row || node.dataset.track)) {
        node.tabIndex = index === this.active ? 0 : -1;
        return;
      }
      if (!node) {
        node = element("div", { role: "row", class: "row", "aria-rowindex": index + 2, "data-index": index });
        node.style.top = `${index * ROW}px`;
        const after = [...this.body.children].find((other) => Number(other.dataset.index) > index);
        this.body.insertBefore(node, after ?? null); // in order, for screen readers
        this.shown.set(index, node);
      }
      node.tabIndex = index === this.active ? 0 : -1;
      if (row) node.dataset.track = row.number;
      const cells = this.cells.map(({ cell, numeric, marked, name }, column) =>
        element(
          "div",
          {
            role: name === "id" ? "rowheader" : "gridcell",
            "aria-colindex": column + 1,
            class: [numeric && "n", marked && "marked"].filter(Boolean).join(" ") || null,
          },
          ...(row ? cell(row) : [column === 0 ? "…" : ""]),
        ),
      );
      fill(node, cells);
      this.mark(node, row);
    }

    mark(node, row) {
      const open = row !== null && row.number === this.selected;
      node.setAttribute("aria-selected", String(open));
      node.classList.toggle("excluded", row?.corrected === "");
    }

    click(event) {
      const node = event.target.closest(".row");
      if (node && !String(getSelection())) this.enter(Number(node.dataset.index));
    }

    key(event) {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const screen = Math.max(1, Math.floor((this.grid.clientHeight - this.head.offsetHeight) / ROW) - 1);
      const target = {
        ArrowDown: this.active + 1,
        ArrowUp: this.active - 1,
        PageDown: this.active + screen,
        PageUp: this.active - screen,
        Home: 0,
        End: this.total - 1,
      }[event.key];
      if (target !== undefined) {
        event.preventDefault();
        this.move(target);
      } else if (event.key === "Enter") {
        event.preventDefault();
        this.enter(this.active);
      }
    }

    /** Give a row the keyboard's place, and the focus. */
    move(index, focus = true) {
      this.active = Math.max(0, Math.min(index, this.total - 1));
      this.reveal(this.active);
      this.paint();
      if (focus) this.shown.get(this.active)?.focus({ preventScroll: true });
    }

    /** Scroll so that a row is in sight. */
    reveal(index) {
      const above = index * ROW;
      const space = this.grid.clientHeight - this.head.offsetHeight;
      if (above < this.grid.scrollTop) this.grid.scrollTop = above;
      else if (above + ROW > this.grid.scrollTop + space) this.grid.scrollTop = above + ROW - space;
    }

    /** Open the track of a row. */
    async enter(index) {
      if (!(index >= 0 && index < this.total)) return;
      this.move(index, this.body.contains(document.activeElement));
      try {
        const row = await this.pages.fetch(index);
        if (row) this.open(row, index);
      } catch (error) {
        fill(this.note, failure(error));
      }
    }
  }

  Object.assign(Explorer, { Table });
}
