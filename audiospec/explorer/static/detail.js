// The panel of one track.

"use strict";

{
  const {
    Corrections,
    Duplicates,
    Player,
    announce,
    button,
    change,
    element,
    failure,
    fill,
    foreign,
    percent,
    printable,
    quantity,
    state,
    time,
  } = Explorer;

  const SEVERITIES = { error: "Error", warning: "Warning", note: "Note" };
  /** Labels whose probabilities are shown at first. */
  const MOST_BARS = 6;

  /** The severity of a finding in words. */
  function severity(name) {
    return element("span", { class: `mark ${name in SEVERITIES ? name : "note"}` }, SEVERITIES[name] ?? name);
  }

  class Detail {
    /**
     * @param host the element to fill
     * @param data where tracks come from
     * @param actions {previous, next, error, open, changed}
     */
    constructor(host, data, actions) {
      Object.assign(this, { host, data, actions });
      this.track = null;
      const context = () => ({ run: state().run, view: state().view });
      this.corrections = new Corrections(data, context, (track) => this.corrected(track));
    }

    get view() {
      return this.data.store.views.find(({ name }) => name === state().view) ?? null;
    }

    /** Fetch a track and show it; `focus` moves the keyboard there. */
    async open(number, focus) {
      this.asked?.abort();
      const asked = new AbortController();
      this.asked = asked;
      this.host.hidden = false;
      this.host.setAttribute("aria-busy", "true");
      try {
        const { run, view } = state();
        const track = await this.data.track(number, run, view, asked.signal);
        if (asked.signal.aborted) return;
        this.render(track);
        if (focus) this.heading.focus();
        announce(`Track ${printable(track.id)}, label ${printable(track.corrected || track.label)}`);
      } catch (error) {
        if (error.name === "AbortError" || asked.signal.aborted) return;
        this.stop();
        this.track = null;
        fill(this.host, element("div", { class: "controls" }, this.closer()), failure(error));
      } finally {
        if (this.asked === asked) this.host.removeAttribute("aria-busy");
      }
    }

    /** Fetch the track again, unless that would end its sound. */
    refresh() {
      if (this.track && !this.player.isPlaying) this.open(this.track.number, false);
    }

    /** Empty the panel. */
    close() {
      this.asked?.abort();
      this.stop();
      this.track = null;
      this.host.hidden = true;
      fill(this.host);
    }

    stop() {
      this.player?.close();
      this.duplicates?.close();
      this.player = this.duplicates = null;
    }

    closer() {
      return button("Close", () => this.actions.close(), { "aria-keyshortcuts": "Escape" });
    }

    render(track) {
      this.stop();
      this.track = track;
      const { view } = this;
      const address = (row) => this.data.spectrogram(row, view.name);
      this.player = new Player(track, view, address, {
        decodes: !this.data.store.static,
        moved: (at) => change({ chunk: at || "" }),
      });
      if (state().chunk) this.player.show(Number(state().chunk) || 0);
      if (track.cluster.length > 1) {
        const context = { data: this.data, run: state().run, view, address, open: this.actions.open };
        this.duplicates = new Duplicates(context, track);
      }
      this.heading = element("h2", { tabindex: -1 }, foreign(track.id));
      this.corrections.render(track);
      const key = (text, shortcut, click) =>
        button([text, " ", element("kbd", { "aria-hidden": "true" }, shortcut)], click, {
          "aria-keyshortcuts": shortcut,
        });
      fill(
        this.host,
        element(
          "div",
          { class: "controls steps" },
          key("Previous", "k", this.actions.previous),
          key("Next", "j", this.actions.next),
          state().run ? key("Next error", "e", this.actions.error) : null,
          this.closer(),
        ),
        this.heading,
        this.facts(track),
        this.player.node,
        this.corrections.node,
        this.probabilities(track),
        this.findings(track),
        this.duplicates?.node,
        this.quality(track),
      );
    }

    facts(track) {
      const facts = [
        ["group", track.group],
        ["side", track.side],
        ["length", time(track.seconds)],
      ];
      return element(
        "p",
        { class: "quiet facts" },
        facts
          .filter(([, value]) => value)
          .map(([name, value]) => element("span", {}, `${name} `, foreign(value))),
      );
    }

    probabilities({ probabilities = [], label, predicted }) {
      if (!probabilities.length) return null;
      const bar = ({ label: name, probability }) => {
        const length = element("span", { class: "length" });
        length.style.width = `${100 * Math.max(0, Math.min(1, probability))}%`;
        const marks = [name === label ? "given" : "", name === predicted ? "predicted" : ""].filter(Boolean);
        return element(
          "tr",
          {},
          element(
            "th",
            { scope: "row" },
            foreign(name),
            marks.map((text) => element("span", { class: "mark" }, text)),
          ),
          element("td", { class: "bar", "aria-hidden": "true" }, length),
          element("td", { class: "n" }, percent(probability)),
        );
      };
      const first = probabilities.slice(0, MOST_BARS);
      const given = probabilities.slice(MOST_BARS).filter(({ label: name }) => name === label);
      const rest = probabilities.slice(MOST_BARS).filter(({ label: name }) => name !== label);
      const table = (text, rows) =>
        element("table", { class: "bars", "aria-label": text }, element("tbody", {}, rows.map(bar)));
      return element(
        "section",
        { "aria-label": "Prediction" },
        element("h3", {}, "Prediction"),
        table("Most probable labels", [...first, ...given]),
        rest.length
          ? element(
              "details",
              {},
              element("summary", {}, `${rest.length} more labels`),
              table("Other labels", rest),
            )
          : null,
      );
    }

    findings({ findings }) {
      if (!findings.length) return null;
      const items = findings.map(({ check, severity: how, title, advice, detail }) =>
        element(
          "li",
          {},
          severity(how),
          " ",
          element("b", {}, printable(check)),
          ": ",
          foreign(detail || title || ""),
          advice ? element("p", { class: "quiet" }, foreign(advice)) : null,
        ),
      );
      return element(
        "section",
        { "aria-label": "Findings" },
        element("h3", {}, "Findings"),
        element("ul", { class: "plain" }, items),
      );
    }

    quality(track) {
      const known = this.data.store.columns.filter(
        ({ name }) => track[name] !== null && track[name] !== undefined && track[name] !== "",
      );
      if (!known.length) return null;
      const pairs = known.flatMap(({ name, title, unit }) => [
        element("dt", {}, printable(title)),
        element("dd", {}, foreign(quantity(track[name], unit))),
      ]);
      return element(
        "section",
        { "aria-label": "Quality" },
        element("h3", {}, "Quality"),
        element("dl", {}, pairs),
      );
    }

    /** Show a decision about the track, without ending its sound. */
    corrected(track) {
      if (this.track?.number === track.number) {
        this.track = track;
        this.keepingFocus(() => this.corrections.render(track));
      }
      this.actions.changed(track);
    }

    /** Do what replaces a button, and give the focus to the new one. */
    keepingFocus(replace) {
      const inside = this.host.contains(document.activeElement);
      const shortcut = document.activeElement?.getAttribute("aria-keyshortcuts");
      replace();
      if (!inside || this.host.contains(document.activeElement)) return;
      const again = shortcut
        ? this.host.querySelector(`[aria-keyshortcuts="${CSS.escape(shortcut)}"]:enabled`)
        : null;
      (again ?? this.heading).focus({ preventScroll: true });
    }
  }

  Object.assign(Explorer, { Detail, severity });
}
